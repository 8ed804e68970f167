// Turns a chosen image file into a data: URL, scaled down in the browser where it is large.

import { createElement, formatBytes } from "./dom.js";

const LONGEST_EDGE_PX = 1200; // what the model sees by default; the server would scale down the rest
const UNCHANGED_MAX_BYTES = 1024 * 1024; // a file up to this size and edge is sent unchanged
const FILE_MAX_BYTES = 6_000_000; // in base64 it stays under the request limit of 8 MiB

// Resolves to { dataUrl, note }; rejects with a sentence for the user.
export async function readImageFile(file) {
  if (file.type && !file.type.startsWith("image/")) {
    throw new Error(`${file.name} is not an image. Choose a JPEG, PNG, WebP, GIF or AVIF file.`);
  }
  let bitmap = null;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    // A format that this browser cannot decode (HEIC, TIFF). The server may be able to.
  }
  const longestEdge = bitmap ? Math.max(bitmap.width, bitmap.height) : 0;
  if (!bitmap || (longestEdge <= LONGEST_EDGE_PX && file.size <= UNCHANGED_MAX_BYTES)) {
    if (file.size > FILE_MAX_BYTES) {
      throw new Error(
        `${file.name} has ${formatBytes(file.size)}, and this browser cannot scale it down. ` +
          `Up to ${formatBytes(FILE_MAX_BYTES)} can be sent. Otherwise enter the image's URL.`,
      );
    }
    return { dataUrl: await readAsDataUrl(file), note: `${formatBytes(file.size)}, sent unchanged` };
  }
  const blob = await scaleDown(bitmap, LONGEST_EDGE_PX / Math.max(longestEdge, LONGEST_EDGE_PX));
  const original = `${bitmap.width} × ${bitmap.height}, ${formatBytes(file.size)}`;
  return {
    dataUrl: await readAsDataUrl(blob),
    note: `${original}; scaled down to ${formatBytes(blob.size)}`,
  };
}

async function scaleDown(bitmap, scale) {
  const canvas = createElement("canvas", {
    width: Math.max(1, Math.round(bitmap.width * scale)),
    height: Math.max(1, Math.round(bitmap.height * scale)),
  });
  const context = canvas.getContext("2d");
  context.fillStyle = "white"; // JPEG has no transparency; the server uses a white background too
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.85));
  if (!blob) throw new Error("This browser could not scale the image down. Try another file.");
  return blob;
}

function readAsDataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Error("The file could not be read."));
    reader.readAsDataURL(blob);
  });
}
