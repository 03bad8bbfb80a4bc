// Package nearest finds the known word that a mistyped one most likely means.
//
// Suggestions appear in settings, policies, scenarios and command replies; they come from here so that they behave alike.
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

// distance is the Levenshtein distance in bytes.
func distance(a, b string) int {
	if len(a) > maxWord || len(b) > maxWord {
		return maxWord
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := last
			if a[i] != b[j] {
				cost = 1 + min(last, row[j], row[j+1])
			}
			last, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
