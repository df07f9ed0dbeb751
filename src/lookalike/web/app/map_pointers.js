/* Pointers on the map: one moves, two zoom, a tap or a hovering mouse points, and one with Shift draws a line around. */

/* hands: { move, zoom, point, tap, isDrawing, draw: { start, extend, end } | null } */
export function followPointers(canvas, { move, zoom, point, tap, isDrawing, draw }) {
  const down = new Map();
  let moved = 0, drawing = null; // the pointer that draws
  const spreadOf = () => { const [a, b] = [...down.values()]; return Math.hypot(a[0] - b[0], a[1] - b[1]); };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    if (draw && !down.size && drawing === null && (event.shiftKey || isDrawing())) {
      drawing = event.pointerId;
      draw.start(event.offsetX, event.offsetY);
      return;
    }
    down.set(event.pointerId, [event.offsetX, event.offsetY]);
    moved = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId === drawing) { draw.extend(event.offsetX, event.offsetY); return; }
    const before = down.get(event.pointerId), now = [event.offsetX, event.offsetY];
    if (!before) { if (event.pointerType === "mouse") point(...now); return; }
    const wide = down.size === 2 ? spreadOf() : 0;
    down.set(event.pointerId, now);
    moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
    move((now[0] - before[0]) / down.size, (now[1] - before[1]) / down.size);
    if (wide) { const [a, b] = [...down.values()]; zoom(spreadOf() / wide, (a[0] + b[0]) / 2, (a[1] + b[1]) / 2); }
  });
  const end = (event) => {
    if (event.pointerId === drawing) {
      drawing = null;
      draw.end(event.type === "pointerup");
    } else if (down.delete(event.pointerId) && event.type === "pointerup" && moved < 6) {
      point(event.offsetX, event.offsetY);
      tap?.(event.offsetX, event.offsetY);
    }
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
}
