// The grey activation map as colour: blue-violet to yellow, clear where the computer saw nothing.

// Five stops of the viridis colour map, which keeps its order for colour-blind eyes and in grey.
const STOPS = [
  [68, 1, 84],
  [59, 82, 139],
  [33, 145, 140],
  [94, 201, 98],
  [253, 231, 37],
];
const WIDTH = 512;

export async function paintMap(canvas, photo) {
  if (canvas.dataset.painted) return;
  canvas.dataset.painted = "yes";
  const map = new Image();
  map.src = canvas.dataset.mapUrl;
  try {
    await map.decode();
  } catch {
    delete canvas.dataset.painted; // the next move of the slider tries again
    return;
  }
  // The map spans the whole photo, so the canvas has the photo's shape and both are fitted alike.
  canvas.width = WIDTH;
  canvas.height = Math.round((WIDTH * photo.naturalHeight) / photo.naturalWidth);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(map, 0, 0, canvas.width, canvas.height);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  for (let at = 0; at < pixels.data.length; at += 4) {
    const strength = pixels.data[at] / 255;
    pixels.data.set([...colour(strength), 255 * Math.min(1, strength * 1.6)], at);
  }
  context.putImageData(pixels, 0, 0);
}

function colour(strength) {
  const position = strength * (STOPS.length - 1);
  const index = Math.min(Math.floor(position), STOPS.length - 2);
  const share = position - index;
  return STOPS[index].map((value, channel) => value + (STOPS[index + 1][channel] - value) * share);
}
