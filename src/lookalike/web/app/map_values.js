/* The values that the map is coloured by: how each looks, and which are brought out by a pick or a search. */

import { firstColumn, looksOf } from "./map_looks.js";

/* names: of the rows, which a search looks at as well; so it does at everything else that is known of a row. */
export function createValues(columns, names) {
  const none = { name: "", values: [""], codes: new Int32Array(names.length) };
  const own = { place: firstColumn(columns), picked: new Set(), query: "", missed: "", shapes: [], sizes: [], brought: null, selected: null };

  const column = () => columns[own.place] ?? none;

  /* What is looked for in vain is kept as missed, and brings nothing out. */
  function bringOut() {
    own.missed = "";
    if (!own.picked.size && !own.query) return null;
    const has = (text) => own.query !== "" && text.toLowerCase().includes(own.query), { codes } = column();
    const found = columns.map((known) => ({ codes: known.codes, hits: known.values.map(has) }));
    const isFound = (name, row) => has(name) || found.some((known) => known.hits[known.codes[row]]);
    if (!names.some(isFound)) own.missed = own.query;
    const out = Uint8Array.from(names, (name, row) => Number(own.picked.has(codes[row]) || isFound(name, row)));
    return out.includes(1) ? out : null;
  }

  /* What follows from a pick, a search, another column; and what the legend shows of it. */
  function update() {
    const { values, codes } = column();
    own.brought = bringOut();
    own.shapes = looksOf(values, () => new Set(own.brought ? codes.filter((_, row) => own.brought[row]) : []));
    const { sizes, shown, out } = counted(values, codes, own);
    own.sizes = sizes;
    const listed = values.map((_, code) => code).filter((code) => !own.query || out.has(code));
    return { column: column(), shapes: own.shapes, sizes, listed, picked: own.picked, brought: shown, missed: own.missed };
  }

  return Object.assign(own, {
    column, update,
    lookOf: (row) => own.shapes[column().codes[row]],
    isShown: (row) => !own.brought || own.brought[row] === 1,
    isSelected: (row) => !own.selected || own.selected[row] === 1, // a line was drawn around it
    select: (rows) => {
      own.selected = rows.length ? new Uint8Array(names.length) : null;
      for (const row of rows) own.selected[row] = 1;
    },
    pick: (code) => {
      if (code === null) own.picked.clear();
      else if (!own.picked.delete(code)) own.picked.add(code);
    },
  });
}

/* Rows of each value; how many rows are brought out, and of which values. */
function counted(values, codes, { brought, picked, query }) {
  const sizes = new Int32Array(values.length), out = new Set(picked);
  let shown = 0;
  codes.forEach((code, row) => {
    sizes[code] += 1;
    if (!brought?.[row]) return;
    shown += 1;
    if (query) out.add(code);
  });
  return { sizes, shown, out };
}
