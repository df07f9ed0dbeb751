/* What two pictures differ by, pixel for pixel: two images enter, a canvas is filled and figures leave.
 *
 * Both are brought to one size, that of the first, at most LONGEST. Where their shapes differ the second is fitted into
 * the first one's frame. Transparent places are white, as everywhere.
 */

const LONGEST = 1024;
const ONE_SHAPE = 0.02; // by which the ratio of the sides may be off for a picture that was only scaled
const VISIBLE = 16; // grey levels from which on a pixel counts as different

/* Black is equal; `gain` multiplies what is not. Both images have loaded. */
export function drawDifference(canvas, first, second, { gain = 1 } = {}) {
  const [width, height] = sizeOf(first);
  const fitted = !isOneShape(first, second);
  const a = pixelsOf(first, width, height, { fitted: false }), b = pixelsOf(second, width, height, { fitted });
  const drawn = new ImageData(width, height);
  const found = compare(a.data, b.data, drawn.data, gain);
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(drawn, 0, 0);
  return { ...found, fitted, width, height };
}

function compare(a, b, into, gain) {
  let sum = 0, different = 0;
  for (let place = 0; place < a.length; place += 4) {
    let most = 0;
    for (let channel = place; channel < place + 3; channel += 1) {
      const off = Math.abs(a[channel] - b[channel]);
      sum += off;
      most = Math.max(most, off);
      into[channel] = off * gain; // clamped
    }
    into[place + 3] = 255;
    if (most >= VISIBLE) different += 1;
  }
  const pixels = a.length / 4;
  return { mean: sum / (3 * pixels), share: different / pixels };
}

function sizeOf(image) {
  const shrunk = Math.min(1, LONGEST / Math.max(image.naturalWidth, image.naturalHeight));
  return [image.naturalWidth, image.naturalHeight].map((side) => Math.max(1, Math.round(side * shrunk)));
}

function isOneShape(first, second) {
  const shape = (image) => image.naturalWidth / image.naturalHeight;
  return Math.abs(shape(first) / shape(second) - 1) <= ONE_SHAPE;
}

function pixelsOf(image, width, height, { fitted }) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.fillStyle = "#ffffff";
  pen.fillRect(0, 0, width, height);
  pen.imageSmoothingQuality = "high";
  const scale = Math.min(width / image.naturalWidth, height / image.naturalHeight);
  const across = fitted ? image.naturalWidth * scale : width, down = fitted ? image.naturalHeight * scale : height;
  pen.drawImage(image, (width - across) / 2, (height - down) / 2, across, down);
  return pen.getImageData(0, 0, width, height);
}

/* The figures in words, for whom the canvas says nothing. */
export function wordsOf({ mean, share, fitted, width, height }) {
  if (mean === 0) return "No pixel differs: black is equal.";
  const few = share > 0 && share < 0.001 ? "Less than 0.1" : (100 * share).toFixed(1);
  const fit = fitted ? " The shapes differ: the second picture is fitted into the frame of the first one." : "";
  return `${few}% of the pixels differ by ${VISIBLE} or more of 255 levels, by ${mean.toFixed(1)} on average, at ${width} × ${height}. Black is equal.${fit}`;
}
