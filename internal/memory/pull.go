package memory

import (
	"crypto/subtle"
	"slices"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/work"
)

// Pull is what is known of a pull request apart from its couplings: enough to post a check on its head.
type Pull struct {
	Head    string    `json:"head"`
	Base    string    `json:"base"`
	State   string    `json:"state"` // open, closed, merged
	Author  string    `json:"author"`
	Private bool      `json:"private,omitempty"`
	Updated time.Time `json:"updated"`
	// Learned is when relbot learned of that: see [Pull.Lags].
	Learned time.Time `json:"learned,omitzero"`
	Recheck int64     `json:"recheck,omitempty"` // counts clicks on re-run, so that the check is posted again
	// Returned: it was open before, as far as is known, so that a check that nothing is remembered of may exist on its head.
	Returned bool `json:"returned,omitempty"`
	Second
	Words
	Look
}

// Words are what the description of a pull request adds to its check.
type Words struct {
	Taken      bool     `json:"words,omitempty"`       // the description was taken up; false is that it has to be
	WordsBasis string   `json:"words_basis,omitempty"` // what it was taken up from
	Proposals  []string `json:"proposals,omitempty"`
	NearMisses []string `json:"near_misses,omitempty"`
	Missed     []int    `json:"missed,omitempty"` // the lines of the near misses
}

// TakenFrom reports whether the description was taken up from a basis.
func (w Words) TakenFrom(basis string) bool { return w.Taken && w.WordsBasis == basis }

// Look is what was found in the content of a pull request apart from its couplings.
type Look struct {
	Looked    bool               `json:"look,omitempty"`       // the content was looked at; false is that it has to be
	LookBasis string             `json:"look_basis,omitempty"` // what it was found in
	Touches   bool               `json:"touches,omitempty"`    // it changes the policy file, or something where gates are
	Extra     *rules.Verdict     `json:"extra,omitempty"`      // what is to be said of it: a foreign gate edit, a policy change
	Notes     []forge.Annotation `json:"notes,omitempty"`      // problems of a changed policy
	Preview   []string           `json:"preview,omitempty"`    // verdicts that a changed policy would change
}

// LookedAt reports whether the content was looked at on a basis.
func (l Look) LookedAt(basis string) bool { return l.Looked && l.LookBasis == basis }

// Lags reports whether a read of a pull request shows an older state than is known. Times of GitHub are whole seconds: within one a value that an event
// replaced shows it.
func (d Pull) Lags(fact versionscan.Fact[forge.Pull]) bool {
	switch {
	case d.Learned.IsZero():
		return false
	case fact.Known():
		f := fact.Value
		return f.UpdatedAt.Before(d.Updated) || f.UpdatedAt.Equal(d.Updated) && d.replaced(f)
	}
	return fact.Absent() // it is new
}

// Second is what events said of a pull request in the newest second of which relbot knows.
type Second struct {
	Changes []work.Change     `json:"changes,omitempty"`
	Before  map[string]string `json:"before,omitempty"` // field: its value before that second, as far as is known
}

// Hear takes what events said that they changed, and reports whether that was news. The order in which they come does not matter.
func (d *Pull) Hear(changes []work.Change, now time.Time) bool {
	news := false
	for _, c := range changes {
		if c.At.After(d.Updated) {
			d.Second = Second{}
			if d.Head != "" { // else it was not there when relbot looked
				d.Before = map[string]string{"head": d.Head, "base": d.Base, "state": d.State}
			}
			d.Updated, d.Learned, news = c.At, now, true
		}
		if c.At.Equal(d.Updated) && c.Of != "" && !slices.Contains(d.Changes, c) {
			d.Changes = append(slices.Clip(d.Changes), c)
			d.Learned, news = now, true
		}
	}
	return news
}

// replaced reports whether a read of a pull request shows a value that was replaced in its second. A value that was set less often than replaced was.
// One that was set as often was as well, unless no value was set more often: then the field is again what it was before.
func (d Pull) replaced(f forge.Pull) bool {
	for of, value := range work.Changes(f) {
		sets, moved := map[string]int{}, false
		for _, c := range d.Changes {
			if c.Of == of && c.At.Equal(d.Updated) {
				sets[c.From]--
				sets[c.To]++
			}
		}
		for _, n := range sets {
			moved = moved || n > 0
		}
		n, mentioned := sets[value]
		_, known := sets[d.Before[of]]
		if mentioned && (n < 0 || n == 0 && (moved || known && value != d.Before[of])) {
			return true
		}
	}
	return false
}

// Head lists the pull requests that share a head.
type Head struct {
	Pulls []coupling.Pull `json:"pulls"`
}

// Mention names the pull request outside a coupling that claims to replace a member, and all others of its coupling.
type Mention struct {
	By coupling.Pull `json:"by"`
}

// Page is the address of a pull request's page.
type Page struct {
	// Key is part of the address where people cannot sign in, so that who may see the check or the note may see the page, and nobody else
	// finds it.
	Key string `json:"key"`
}

// Opens reports whether a key is the right one.
func (d Page) Opens(key string) bool {
	return d.Key != "" && subtle.ConstantTimeCompare([]byte(d.Key), []byte(key)) == 1
}
