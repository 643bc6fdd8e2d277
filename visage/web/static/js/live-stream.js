// One stream with the pictures of all sources: a line of JSON, then as many bytes of JPEG as it says, and so on.

import { open } from "./api.js";

const PAUSE_MILLISECONDS = 2000;
const NEWLINE = 10;

/** Call `onPicture(head, blob)` for every picture until the signal; connects again when the stream breaks. */
export async function watch(onPicture, signal) {
  while (!signal.aborted) {
    try {
      const response = await open("/live", signal);
      await read(response.body.getReader(), onPicture);
    } catch (error) {
      if (signal.aborted) {
        return;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MILLISECONDS));
  }
}

async function read(reader, onPicture) {
  const decoder = new TextDecoder();
  let bytes = new Uint8Array(0);
  let head = null;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      return;
    }
    bytes = joined(bytes, value);
    for (;;) {
      if (head === null) {
        const end = bytes.indexOf(NEWLINE);
        if (end < 0) {
          break;
        }
        head = JSON.parse(decoder.decode(bytes.subarray(0, end)));
        bytes = bytes.subarray(end + 1);
      }
      const length = head.bytes ?? 0;
      if (bytes.length < length) {
        break;
      }
      if (length) {
        onPicture(head, new Blob([bytes.slice(0, length)], { type: "image/jpeg" }));
      }
      bytes = bytes.subarray(length);
      head = null;
    }
  }
}

function joined(first, second) {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
