// The first five problems of portal/quality.py, measured in the same way before the photo is sent.
// The server measures again; tests/portal/test_quality.py holds both to the same answers on a photo that fills its
// frame. Of one through a dermatoscope's tube the server measures the inside, and may name what is not seen here.

const WORKING_SIDE = 200;
const LEAST_SHARPNESS = 2.5;
const LEAST_BRIGHTNESS = 85;
const MOST_CLIPPED = 0.2;
const LEAST_SHORT_SIDE_PX = 140;
const LEAST_COLOUR = 0.03;

// canvas: the photo as it will be sent. Gives the measures, and the codes of problems.
export function measure(canvas) {
  const { luma, width, height, clippedShare, spread } = shrink(canvas);
  const brightness = percentile(luma, 95);
  const measures = {
    sharpness: sharpness(luma, width, height),
    brightness,
    clippedShare,
    shortSidePx: Math.min(canvas.width, canvas.height),
    colour: spread / Math.max(brightness, 1),
  };
  return { ...measures, problems: findProblems(measures) };
}

function findProblems({ sharpness, brightness, clippedShare, shortSidePx, colour }) {
  const isDark = brightness < LEAST_BRIGHTNESS;
  const found = {
    blurred: sharpness < LEAST_SHARPNESS && !isDark,
    dark: isDark,
    overexposed: clippedShare > MOST_CLIPPED,
    small: shortSidePx < LEAST_SHORT_SIDE_PX,
    colourless: colour < LEAST_COLOUR && !isDark,
  };
  return Object.keys(found).filter((problem) => found[problem]);
}

// Each small pixel is the mean of those it stands for: a browser's own scaling differs from phone to phone.
function shrink(canvas) {
  const scale = Math.min(1, WORKING_SIDE / Math.max(canvas.width, canvas.height));
  const width = Math.max(1, Math.round(canvas.width * scale));
  const height = Math.max(1, Math.round(canvas.height * scale));
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const sums = new Float64Array(width * height * 3);
  const counts = new Uint32Array(width * height);
  for (let y = 0, at = 0; y < canvas.height; y += 1) {
    const row = Math.floor((y * height) / canvas.height) * width;
    for (let x = 0; x < canvas.width; x += 1, at += 4) {
      const cell = row + Math.floor((x * width) / canvas.width);
      counts[cell] += 1;
      sums[3 * cell] += data[at];
      sums[3 * cell + 1] += data[at + 1];
      sums[3 * cell + 2] += data[at + 2];
    }
  }
  const luma = new Float64Array(width * height);
  let clipped = 0;
  let spread = 0;
  for (let cell = 0; cell < luma.length; cell += 1) {
    const [red, green, blue] = [0, 1, 2].map((channel) => Math.round(sums[3 * cell + channel] / counts[cell]));
    luma[cell] = 0.299 * red + 0.587 * green + 0.114 * blue;
    clipped += (red >= 250) + (green >= 250) + (blue >= 250);
    spread += Math.max(red, green, blue) - Math.min(red, green, blue);
  }
  return { luma, width, height, clippedShare: clipped / (3 * luma.length), spread: spread / luma.length };
}

function sharpness(luma, width, height) {
  const steps = [[1, 1], [width, 1], [width + 1, 0.5], [width - 1, 0.5]];
  const strongest = steps.map(([step, weight]) => {
    const differences = [];
    for (let y = 1; y < height - 1; y += 1) {
      for (let x = 1; x < width - 1; x += 1) {
        const at = y * width + x;
        differences.push(weight * Math.abs(luma[at - step] + luma[at + step] - 2 * luma[at]));
      }
    }
    return percentile(differences, 99);
  });
  return (100 * Math.min(...strongest)) / Math.max(percentile(luma, 90), 1);
}

// Between the two nearest values, as numpy does.
function percentile(values, share) {
  const sorted = Float64Array.from(values).sort();
  if (!sorted.length) return 0;
  const position = (share / 100) * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (position - below) * (sorted[above] - sorted[below]);
}
