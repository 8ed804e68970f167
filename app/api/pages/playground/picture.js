// A chosen file as a data: URL, made smaller in the browser where that loses nothing.

import { element, size } from "./page.js";

const LONGEST_EDGE_PX = 1200; // what the model sees by default: more would only be thrown away
const SMALL_BYTES = 1024 * 1024; // a file up to this size and edge is sent as it is
const LARGEST_BYTES = 6_000_000; // as base64 it stays under the request limit of 8 MiB

// Resolves to { dataUrl, note }; rejects with a sentence for the person.
export async function prepared(file) {
  if (file.type && !file.type.startsWith("image/")) {
    throw new Error(`${file.name} is not a picture. Choose a JPEG, PNG, WebP, GIF or AVIF file.`);
  }
  let bitmap = null;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    // A format that this browser cannot draw (HEIC, TIFF); the server may well know it.
  }
  const longest = bitmap ? Math.max(bitmap.width, bitmap.height) : 0;
  if (!bitmap || (longest <= LONGEST_EDGE_PX && file.size <= SMALL_BYTES)) {
    if (file.size > LARGEST_BYTES) {
      throw new Error(
        `${file.name} has ${size(file.size)}, and this browser cannot make it smaller. ` +
          `Up to ${size(LARGEST_BYTES)} can be sent; or give its address instead.`,
      );
    }
    return { dataUrl: await asDataUrl(file), note: `${size(file.size)}, sent as it is` };
  }
  const blob = await shrunk(bitmap, LONGEST_EDGE_PX / Math.max(longest, LONGEST_EDGE_PX));
  const was = `${bitmap.width} × ${bitmap.height}, ${size(file.size)}`;
  return { dataUrl: await asDataUrl(blob), note: `${was}; made smaller: ${size(blob.size)}` };
}

async function shrunk(bitmap, scale) {
  const canvas = element("canvas", {
    width: Math.max(1, Math.round(bitmap.width * scale)),
    height: Math.max(1, Math.round(bitmap.height * scale)),
  });
  const pen = canvas.getContext("2d");
  pen.fillStyle = "white"; // JPEG has no transparency; the server puts it on white too
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.85));
  if (!blob) throw new Error("This browser could not make the picture smaller. Try another file.");
  return blob;
}

function asDataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Error("The file could not be read."));
    reader.readAsDataURL(blob);
  });
}
