// sharp, making the same four pictures: node thumbnails.mjs PHOTO OUTPUT_DIRECTORY TIMES
import { readFileSync, writeFileSync } from "node:fs";
import sharp from "sharp";

const [photo, output, times] = process.argv.slice(2);
const data = readFileSync(photo);

// Decoded once, which is much faster than four pipelines from the file.
async function renditions() {
  const largest = await sharp(data)
    .autoOrient()
    .resize(512, 512)
    .raw()
    .toBuffer({ resolveWithObject: true });
  const sizes = [512, 256, 128, 64].map(async (size) => {
    const picture = sharp(largest.data, { raw: largest.info });
    return [size, await picture.resize(size, size).webp({ quality: 80 }).toBuffer()];
  });
  return Promise.all(sizes);
}

for (const [size, body] of await renditions()) writeFileSync(`${output}/${size}.webp`, body);
const cpu = [];
const wall = [];
for (let run = 0; run < Number(times); run++) {
  const before = process.cpuUsage();
  const started = performance.now();
  await renditions();
  wall.push(performance.now() - started);
  const { user, system } = process.cpuUsage(before);
  cpu.push((user + system) / 1000);
}
const status = readFileSync("/proc/self/status", "utf8");
const peak = Number(/VmHWM:\s+(\d+)/.exec(status)[1]) / 1024;
console.log(JSON.stringify({ cpu_ms: cpu, wall_ms: wall, peak_mib: peak }));
