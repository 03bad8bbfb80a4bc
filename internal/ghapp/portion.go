package ghapp

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/relbot/relbot/internal/budget"
	"github.com/relbot/relbot/internal/coupling"
)

// Every query that asks for a page or for a batch goes through [App.portion], and asks for as much as the portion allows.
//
// GitHub gives a query ten seconds. What takes longer ends as 502 or 504, or as an error in an answer with status 200. Or it ends with null in the place of what
// was not computed, and an error RESOURCE_LIMITS_EXCEEDED for each. How much is too much depends on the repository. In one, 100 pull requests
// with their files gave nothing, 50 took five seconds and 25 half of that (spiceai/spiceai#13762; also sorenlouv/backport#479, release-drafter#1458). So
// what was too much is asked for again at half the size. The size that worked is remembered, and after a while twice of it is tried.

// portion is a kind of thing that is read in pages or batches.
type portion struct {
	name string
	most int // that one query asks for
}

// The portions. GitHub's own limit of a page is 100.
var (
	ofNamed    = portion{"pull requests and repositories by name", 50}
	ofOpen     = portion{"open pull requests", 50}
	ofRefs     = portion{"refs", 100}
	ofTags     = portion{"compared tags", 50}
	ofFiles    = portion{"files", 150} // by id
	ofTexts    = portion{"texts", 50}
	ofVersions = portion{"versions of a file", 50}
	ofCommits  = portion{"commits", 100}
	ofEntries  = portion{"entries of a merge queue", 100}
	ofContexts = portion{"checks of a commit", 100}
	ofReadable = portion{"repositories of a person", 100}
	ofLists    = portion{"lists", 100} // of REST
)

// growAfter is for how long a size that was found is kept before twice of it is tried.
const growAfter = time.Hour

// errTooMuch says that a query asked for more than GitHub computes in one go; half of it may pass.
var errTooMuch = errors.New("the query asks for too much")

// portions remembers of each repository how much of what GitHub computes in one query, where that is less than the most.
type portions struct {
	mu    sync.Mutex
	sizes map[portionKey]portionSize
}

type portionKey struct {
	repo coupling.Repo
	of   string
}

type portionSize struct {
	size  int
	since time.Time
}

// size returns how much to ask for of several repositories together.
func (p *portions) size(of portion, repos []coupling.Repo, now time.Time) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	size := of.most
	for _, repo := range repos {
		known, ok := p.sizes[portionKey{repo, of.name}]
		switch {
		case !ok:
		case now.Sub(known.since) >= growAfter:
			size = min(size, 2*known.size)
		default:
			size = min(size, known.size)
		}
	}
	return size
}

// worked remembers a size that worked; halved says that a larger one did not.
func (p *portions) worked(of portion, repos []coupling.Repo, size int, halved bool, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, repo := range repos {
		key := portionKey{repo, of.name}
		known, ok := p.sizes[key]
		switch {
		case !halved && (!ok || size <= known.size):
		case size >= of.most:
			delete(p.sizes, key)
		default:
			if p.sizes == nil {
				p.sizes = map[portionKey]portionSize{}
			}
			p.sizes[key] = portionSize{size, now}
		}
	}
}

// portion asks for one portion of at most wanted things of some repositories, and returns its size. read asks GitHub for as much as the portion allows.
func (a *App) portion(ctx context.Context, of portion, repos []coupling.Repo, wanted int, read func(ctx context.Context, size int) error) (int, error) {
	first := min(wanted, a.portions.size(of, repos, a.s.Now()))
	for size := first; ; size = max(1, size/2) {
		asking := ctx
		if size > 1 {
			asking = divisible(ctx)
		} else if size < first {
			asking = context.WithValue(ctx, divisibleKey{}, false)
		}
		err := read(asking, size)
		if err == nil {
			a.portions.worked(of, repos, size, size < first, a.s.Now())
		}
		if size == 1 || !errors.Is(err, errTooMuch) {
			return size, err
		}
	}
}

// pages reads a list of a repository page by page, until read says that there is no more.
func (a *App) pages(ctx context.Context, of portion, repo coupling.Repo, read func(ctx context.Context, size int) (more bool, err error)) error {
	for n := 0; n < maxPages*of.most; {
		more := false
		size, err := a.portion(ctx, of, []coupling.Repo{repo}, of.most, func(ctx context.Context, size int) (err error) {
			more, err = read(ctx, size)
			return err
		})
		if err != nil || !more {
			return err
		}
		n += size
	}
	return errTooLong
}

// errTooLong ends the reading of a list that does not end.
var errTooLong = errors.New("the list is too long")

// batches reads things that are named, batch by batch.
func batches[T any](ctx context.Context, a *App, of portion, items []T, repo func(T) coupling.Repo, read func(ctx context.Context, part []T) error) error {
	for len(items) > 0 {
		most := min(len(items), of.most)
		size, err := a.portion(ctx, of, distinct(items[:most], repo), most, func(ctx context.Context, size int) error { return read(ctx, items[:size]) })
		if err != nil {
			return err
		}
		items = items[size:]
	}
	return nil
}

// distinct lists the repositories of things.
func distinct[T any](items []T, repo func(T) coupling.Repo) []coupling.Repo {
	var out []coupling.Repo
	for _, it := range items {
		if r := repo(it); !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}

// divisibleKey marks the context of a request that was too much: true where it can be asked for less, false where it cannot.
type divisibleKey struct{}

func divisible(ctx context.Context) context.Context {
	return context.WithValue(ctx, divisibleKey{}, true)
}

func isDivisible(ctx context.Context) bool { return ctx.Value(divisibleKey{}) == true }

// doubt is what a request that failed tells of its account; wide says that it may have asked for too much.
func doubt(ctx context.Context, wide bool) budget.Doubt {
	switch ctx.Value(divisibleKey{}) {
	case true:
		if wide {
			return budget.Mild
		}
	case false:
		return budget.Strong
	}
	return budget.Usual
}

// tooLong reports whether an answer, or that none came in time, may mean that too much was asked for.
func tooLong(status int, err error) bool {
	var late interface{ Timeout() bool }
	return status == http.StatusBadGateway || status == http.StatusGatewayTimeout || status == 0 && errors.As(err, &late) && late.Timeout()
}
