// Latencies, drawn in colours of the canvas's style: color, outline-color for slow round trips, and
// border-color for the background. (A custom property would not give its computed value.)

const SLOW = 100; // milliseconds

// Prepare a canvas for one drawing, in CSS pixels.
function clear(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  const scale = devicePixelRatio;
  if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
  if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height, style: getComputedStyle(canvas) };
}

// Round trips over time, as wide as they took. `pings` have a start and, when they are over, an end.
export function drawTimeline(canvas, pings, now, span, blocked) {
  const { context, width, height, style } = clear(canvas);
  const x = (time) => width * (1 - (now - time) / span);
  if (blocked) {
    context.fillStyle = style.borderColor;
    context.fillRect(x(blocked.start), 0, x(blocked.end ?? now) - x(blocked.start), height);
  }
  for (const { start, end = now } of pings) {
    const duration = end - start;
    const part = Math.min(1, Math.log10(1 + duration) / 3);
    context.fillStyle = duration < SLOW ? style.color : style.outlineColor;
    context.fillRect(x(start), height * (1 - part), Math.max(2, x(end) - x(start) - 1), height * part);
  }
}

// The latest latencies, one bar each, the newest on the right.
export function drawLatest(canvas, latencies, highest) {
  const { context, width, height, style } = clear(canvas);
  const bars = Math.floor(width / 3);
  context.fillStyle = style.color;
  latencies.slice(-bars).forEach((latency, index, { length }) => {
    const bar = Math.max(1, height * Math.min(1, latency / highest));
    context.fillRect(width - (length - index) * 3, height - bar, 2, bar);
  });
}
