// Resizes images with sharp. Input and output are those of benchmarks/bench/resizer_process.py.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [folder, longest, quality] = process.argv.slice(2);
const sharp = createRequire(`${folder}/`)("sharp");
sharp.cache(false);
sharp.concurrency(1); // more threads cost more processor time, which is what is measured

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

for await (const line of createInterface({ input: process.stdin })) {
  const job = JSON.parse(line);
  const data = readFileSync(job.path);
  const cpu = [], wall = [];
  let made;
  for (let time = 0; time < job.times; time++) {
    const began = performance.now(), beganCpu = process.cpuUsage();
    made = await sharp(data)
      .resize(+longest, +longest, { fit: "inside", withoutEnlargement: true })
      .jpeg({ quality: +quality })
      .toBuffer();
    const used = process.cpuUsage(beganCpu);
    cpu.push((used.user + used.system) / 1000);
    wall.push(performance.now() - began);
  }
  console.log(JSON.stringify({ cpu_ms: median(cpu), wall_ms: median(wall), bytes: made.length }));
}
