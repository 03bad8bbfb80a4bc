package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/relbot/relbot/internal/coupling"
)

// GroupEvent is what the event of a merge group tells of it.
type GroupEvent struct {
	Head    string `json:"head"`
	HeadRef string `json:"head_ref"` // gh-readonly-queue/BRANCH/pr-NUMBER-BASE
	BaseSHA string `json:"base_sha"` // the head of the group ahead, or the branch's tip
}

// Number is the pull request whose entry the group is, by the name of its branch; 0 when that names none.
func (e GroupEvent) Number() int {
	var n int
	if _, err := fmt.Sscanf(e.HeadRef[strings.LastIndexByte(e.HeadRef, '/')+1:], "pr-%d-", &n); err != nil || n < 0 {
		return 0
	}
	return n
}

// Entry is an entry of a merge queue.
type Entry struct {
	Number int
	Head   string // of its group; "" while it has none
}

// NameByEntries names the pull requests of a group in merge order: those of the entries up to the one with its head. Where the branch's name, or
// the remembered group below, says another number, it is not named.
func NameByEntries(e GroupEvent, entries []Entry, remembered []GroupEvent, tip string) ([]int, bool) {
	at := slices.IndexFunc(entries, func(x Entry) bool { return x.Head == e.Head })
	if at < 0 || e.Number() != 0 && e.Number() != entries[at].Number {
		return nil, false
	}
	below := slices.IndexFunc(remembered, func(x GroupEvent) bool { return x.Head == e.BaseSHA && x.Head != "" })
	if e.BaseSHA != tip && below >= 0 && (at == 0 || remembered[below].Number() != entries[at-1].Number) {
		return nil, false
	}
	return numbers(entries[:at+1]), true
}

func numbers(entries []Entry) []int {
	var out []int
	for _, x := range entries {
		out = append(out, x.Number)
	}
	return out
}

// NameByEvents names the pull requests of a group by the events alone. They are its own, and those of the remembered groups below it, down to
// the branch's tip.
func NameByEvents(e GroupEvent, remembered []GroupEvent, tip string) ([]int, bool) {
	var out []int
	for range len(remembered) + 1 {
		n := e.Number()
		if n == 0 || slices.Contains(out, n) {
			return nil, false
		}
		out = append(out, n)
		if e.BaseSHA == tip && tip != "" {
			slices.Reverse(out)
			return out, true
		}
		below := slices.IndexFunc(remembered, func(x GroupEvent) bool { return x.Head == e.BaseSHA })
		if below < 0 {
			return nil, false
		}
		e = remembered[below]
	}
	return nil, false
}

// QueueCommit is a commit between a branch's tip and the head of a merge group.
type QueueCommit struct {
	SHA     string
	Parents []string
	Number  int // of the pull request that its message names; 0 is none
}

// NameByParents names the pull requests of a group by the commits that the queue made. They are those on the way along first parents from its head
// to the branch's tip. A queue that rebases makes none of its own.
func NameByParents(e GroupEvent, method, tip string, commits []QueueCommit) ([]int, bool) {
	parents := map[string]int{"MERGE": 2, "SQUASH": 1}[method]
	var out []int
	for at := e.Head; at != tip; {
		i := slices.IndexFunc(commits, func(c QueueCommit) bool { return c.SHA == at })
		if i < 0 || parents == 0 || len(commits[i].Parents) != parents || commits[i].Number == 0 || slices.Contains(out, commits[i].Number) {
			return nil, false
		}
		out, at = append(out, commits[i].Number), commits[i].Parents[0]
	}
	slices.Reverse(out)
	return out, len(out) > 0 && out[len(out)-1] == e.Number()
}

// PullsOf returns the pull requests of a repository with these numbers.
func PullsOf(repo coupling.Repo, numbers []int) []coupling.Pull {
	var out []coupling.Pull
	for _, n := range numbers {
		out = append(out, coupling.Pull{Repo: repo, Number: n})
	}
	return out
}
