package memory

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/relbot/relbot/internal/coupling"
)

// HeadKey names a commit that is or was the head of a pull request.
type HeadKey struct {
	Repo   coupling.Repo
	Commit string
}

// CommentKey names a comment.
type CommentKey struct {
	Pull coupling.Pull
	ID   int64
}

// GateKey names a registered gate.
type GateKey struct {
	Repo coupling.Repo
	Gate string
}

// QueueKey names a merge queue.
type QueueKey struct {
	Repo   coupling.Repo
	Branch string
}

// WaitingKey names a row of work that waits for a repository.
type WaitingKey struct {
	Repo coupling.Repo
	Row  RowName
}

// RowName names a row of work: its kind, a space, and its key.
type RowName string

// FormerName is what a repository was called before, in lower case.
type FormerName string

// Formerly returns the key of a former name.
func Formerly(repo coupling.Repo) FormerName { return FormerName(strings.ToLower(string(repo))) }

// List is a list of a repository that is read in parts or once.
type List string

// Lists.
const (
	Replayed List = "comments"        // acknowledged commands. Its watermark exists once they have been taken up
	ReadUpTo List = "comments read"   // comments, while a part of the list was read
	Unread   List = "comments unread" // comments that cannot be read with a new database. Its watermark exists until they can
	Proposed List = "descriptions"    // lines in descriptions. Its watermark exists once those of open pull requests have been taken up
)

// Of returns the key of the list of a repository.
func (l List) Of(repo coupling.Repo) WatermarkKey { return WatermarkKey{l, repo} }

// WatermarkKey names a list of a repository.
type WatermarkKey struct {
	List List
	Repo coupling.Repo
}

// App is the key of what is remembered once.
type App struct{}

const deliveriesKey = "deliveries"

// after returns the prefix of the keys that begin with a repository.
func after(separator string) func(coupling.Repo) string {
	return func(repo coupling.Repo) string { return string(repo) + separator }
}

func text[K ~string]() keys[K] {
	return keys[K]{func(k K) string { return string(k) }, func(s string) (K, error) { return K(s), nil }}
}

// pair says how a key of two parts is written, with a separator that the first part does not have.
func pair[K any](separator string, split func(K) (string, string), join func(first, second string) K) keys[K] {
	return keys[K]{
		func(k K) string { a, b := split(k); return a + separator + b },
		func(s string) (K, error) {
			a, b, ok := strings.Cut(s, separator)
			if !ok {
				return join("", ""), fmt.Errorf("%q is no key: it has no %q", s, separator)
			}
			return join(a, b), nil
		},
	}
}

var (
	repoKey     = text[coupling.Repo]()
	couplingKey = text[coupling.Key]()
	formerKey   = text[FormerName]()
	rowKey      = text[RowName]()
	pullKey     = keys[coupling.Pull]{coupling.Pull.String, func(s string) (coupling.Pull, error) { return coupling.ParsePull(s, "") }}
	headKey     = pair("@", func(k HeadKey) (string, string) { return string(k.Repo), k.Commit }, func(a, b string) HeadKey { return HeadKey{coupling.Repo(a), b} })
	queueKey    = pair("@", func(k QueueKey) (string, string) { return string(k.Repo), k.Branch }, func(a, b string) QueueKey { return QueueKey{coupling.Repo(a), b} })
	gateKey     = pair(" ", func(k GateKey) (string, string) { return string(k.Repo), k.Gate }, func(a, b string) GateKey { return GateKey{coupling.Repo(a), b} })
	waitingKey  = pair(" ", func(k WaitingKey) (string, string) { return string(k.Repo), string(k.Row) }, func(a, b string) WaitingKey { return WaitingKey{coupling.Repo(a), RowName(b)} })
	appKey      = keys[App]{func(App) string { return deliveriesKey }, func(string) (App, error) { return App{}, nil }}
	commentKey  = keys[CommentKey]{
		func(k CommentKey) string { return fmt.Sprintf("%s:%d", k.Pull, k.ID) },
		func(s string) (k CommentKey, err error) {
			i := strings.LastIndexByte(s, ':')
			if k.Pull, err = coupling.ParsePull(s[:max(i, 0)], ""); err == nil {
				k.ID, err = strconv.ParseInt(s[i+1:], 10, 64)
			}
			return k, err
		},
	}
	watermarkKey = keys[WatermarkKey]{
		func(k WatermarkKey) string { return string(k.List) + " " + string(k.Repo) },
		func(s string) (WatermarkKey, error) {
			i := strings.LastIndexByte(s, ' ')
			return WatermarkKey{List(s[:max(i, 0)]), coupling.Repo(s[i+1:])}, nil
		},
	}
)
