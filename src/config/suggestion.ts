/** The known key that was most likely meant by an unknown one: nearly the same name beside it, or its name elsewhere. */
export function suggestKey(unknown: string, known: readonly string[]): string | undefined {
  const parent = unknown.slice(0, unknown.lastIndexOf('.') + 1);
  const name = lastPart(unknown);
  if (name.length > 40) return undefined;
  const beside = known.filter((key) => key.startsWith(parent) && !key.slice(parent.length).includes('.'));
  const ranked = beside
    .map((key) => ({ key, distance: distance(name.toLowerCase(), lastPart(key).toLowerCase()) }))
    // Two slips in a long name, one in a short one.
    .filter((candidate) => candidate.distance <= (name.length > 5 ? 2 : 1))
    .sort((one, other) => one.distance - other.distance);
  return ranked[0]?.key ?? known.find((key) => lastPart(key).toLowerCase() === name.toLowerCase());
}

function lastPart(key: string): string {
  return key.slice(key.lastIndexOf('.') + 1);
}

/** How many letters must be added, removed, exchanged or swapped with their neighbour (Damerau). */
function distance(one: string, other: string): number {
  const rows: number[][] = [Array.from({ length: other.length + 1 }, (_, at) => at)];
  function at(row: number, column: number): number {
    return rows[row]?.[column] ?? Infinity;
  }
  for (let i = 1; i <= one.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= other.length; j++) {
      const same = one[i - 1] === other[j - 1] ? 0 : 1;
      const swapped = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1];
      row.push(
        Math.min(
          at(i - 1, j) + 1,
          at(i, j - 1) + 1,
          at(i - 1, j - 1) + same,
          swapped ? at(i - 2, j - 2) + 1 : Infinity,
        ),
      );
    }
  }
  return at(one.length, other.length);
}
