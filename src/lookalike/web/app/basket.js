/* Pictures that are carried from view to view: { id | file, name, weight }.
 *
 * Files have no address; they are kept here under a key while the page is open, so that going back finds them. At most
 * MOST_KEPT are, the oldest go first. Keys are of this load of the page: one of an earlier load names no file.
 */

const MOST_KEPT = 50;

export function createBasket() {
  const files = new Map(), load = Date.now().toString(36) + Math.random().toString(36).slice(2, 6); // key to { file, url }
  let next = 1;

  function keep(file) {
    for (const [key, kept] of files) if (kept.file === file) return key;
    const key = `${load}-${next}`;
    next += 1;
    files.set(key, { file, url: URL.createObjectURL(file) });
    if (files.size > MOST_KEPT) {
      const [oldest] = files.keys();
      URL.revokeObjectURL(files.get(oldest).url);
      files.delete(oldest);
    }
    return key;
  }

  return {
    pictures: [],
    keep,
    file: (key) => files.get(key)?.file ?? null,
    preview: (key) => files.get(key)?.url ?? null,
  };
}
