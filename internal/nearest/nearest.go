// Package nearest finds the known word that a mistyped one most likely means.
//
// Settings, policies, scenarios and replies to commands suggest words. They all ask here, so that they behave alike.
//
// The library agnivade/levenshtein was left: it counts a swap of two neighbours as two mistakes, and a swap is the most frequent one. With it
// "orveride" would be as far from "override" as a word with two wrong letters. The bound on the length of a word would remain here, too.
package nearest

// maxWord bounds what is compared: longer words are no typing mistakes.
const maxWord = 64

// Word is the known word with the smallest edit distance to word, within a third of its length; "" when none is near.
func Word(word string, known []string) string {
	best, limit := "", max(1, len(word)/3)+1
	for _, k := range known {
		if d := distance(word, k); d < limit {
			best, limit = k, d
		}
	}
	return best
}

// distance counts insertions, deletions, substitutions and swaps of neighbours.
func distance(a, b string) int {
	if len(a) > maxWord || len(b) > maxWord {
		return maxWord
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
