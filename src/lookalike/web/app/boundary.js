/* What a threshold does to pairs that are counted in bins: a histogram enters, counts and shares leave.
 *
 * The same as lookalike's own figures of the same bins: a pair matches when the lower edge of its bin is at or above
 * the threshold, so the figures are exact at edges. Nothing is asked of the server.
 */

export function createCounts({ bins, same_counts: same, different_counts: different }) {
  const rightFrom = sumsFromEnd(same), wrongFrom = sumsFromEnd(different);

  /* The first bin whose pairs all match; the number of bins: none does. */
  function firstBin(similarity) {
    let low = 0, high = bins.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (bins[middle] >= similarity) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  function at(similarity) {
    const first = firstBin(similarity), right = rightFrom[first], wrong = wrongFrom[first];
    const missed = rightFrom[0] - right, rejected = wrongFrom[0] - wrong;
    return {
      right_matches: right, wrong_matches: wrong, missed_matches: missed, right_rejections: rejected,
      precision: right / Math.max(right + wrong, 1),
      recall: right / (right + missed),
      f1: (2 * right) / (2 * right + wrong + missed),
      false_match_rate: wrong / (wrong + rejected),
    };
  }

  return { at, firstBin };
}

function sumsFromEnd(counts) {
  const sums = new Float64Array(counts.length + 1);
  for (let bin = counts.length - 1; bin >= 0; bin -= 1) sums[bin] = sums[bin + 1] + counts[bin];
  return sums;
}

/* The bins that are worth looking at: from the first to the last that holds pairs, with a little room. */
export function filled({ bins, same_counts: same, different_counts: different }) {
  const holds = (bin) => same[bin] > 0 || different[bin] > 0;
  let first = 0, last = bins.length - 1;
  while (first < last && !holds(first)) first += 1;
  while (last > first && !holds(last)) last -= 1;
  const room = Math.ceil((last - first) * 0.02) + 1;
  return { first: Math.max(0, first - room), last: Math.min(bins.length - 1, last + room) };
}
