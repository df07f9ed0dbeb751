/* What is kept of each entry of the browser's history while the page is open: how far it was scrolled, and what a view
 * puts there, so that going back finds it. */

export function createPlaces() {
  const places = new Map(), load = Date.now().toString(36); // entries of an earlier load are not these

  return {
    here() {
      const known = history.state?.place;
      if (places.has(known)) return places.get(known);
      const name = `${load}-${places.size + 1}`;
      history.replaceState({ place: name }, "");
      places.set(name, { scroll: 0 });
      return places.get(name);
    },
  };
}
