// Package memory keeps what relbot remembers: a table of documents for each kind, with a type for its keys and one for what it holds.
//
//	kind      | key              | holds
//	repo      | REPO             | a repository as it was last surveyed, and the policy in force there
//	overlay   | REPO             | what commands and descriptions changed about the couplings that are at home there
//	judgement | COUPLING         | the last judgement of a coupling
//	history   | COUPLING         | its flips and charts
//	member    | PULL             | the couplings that a pull request is in
//	pull      | PULL             | a pull request as it was last seen
//	head      | REPO@COMMIT      | the pull requests whose head a commit is or was
//	override  | PULL             | the overrides in force on a pull request
//	comment   | PULL:ID          | a comment whose commands were run
//	mention   | PULL             | which other pull request says that it replaces this one
//	report    | REPO             | the last drift report
//	page      | PULL             | the address of a pull request's page
//	timeline  | REPO GATE        | the picture of a gate
//	waiting   | REPO KIND KEY    | a row of work that waits until the repository is known
//	lines     | REPO             | descriptions that a new database has to take up
//	watermark | LIST REPO        | up to when a list was read
//	watermark | deliveries       | how far GitHub's record of deliveries was read
//	queue     | REPO@BRANCH      | the groups of a merge queue
//	moved     | owner/name       | the present name of a repository; the key is a former one in lower case
//	refused   | KIND KEY         | a row of work that GitHub refused
//
// With a new database relbot knows of no hold and no coupling until it has read policies and descriptions and run the acknowledged
// commands again. Until then nothing may be said: a check that blocks might turn green for some seconds. So the readiness of a repository
// has a table. Work that needs more than is known waits, and is queued when its repository is ready.
//
//	from      | event                                  | to        | queued then
//	absent    | GitHub lists the repository            | unknown   | its survey, and each open pull request
//	unknown   | a survey is adopted                    | surveyed  | its couplings; what waits for the policy
//	surveyed  | commands and descriptions are taken up | restored  | all that waits
//	unknown   | GitHub lists it no more                | gone      | its couplings; all that waits
//	surveyed  | GitHub lists it no more                | gone      | its couplings; all that waits
//	restored  | GitHub lists it no more                | gone      | its couplings; all that waits
//	gone      | GitHub lists it again                  | as before | its survey, and each open pull request
//
// A repository where the App is not installed has no policy and no commands, so that nothing there is to be waited for.
//
// Documents are JSON that later versions read: a field may be added, and its name is never used again for something else.
//
// What a table returns may be shared with others. Its maps and slices are replaced and never changed.
package memory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/store"
)

// Kinds of documents, as the table of the package comment describes them.
const (
	KindRepo      = "repo"
	KindOverlay   = "overlay"
	KindJudgement = "judgement"
	KindHistory   = "history"
	KindMember    = "member"
	KindPull      = "pull"
	KindHead      = "head"
	KindOverride  = "override"
	KindComment   = "comment"
	KindMention   = "mention"
	KindReport    = "report"
	KindPage      = "page"
	KindTimeline  = "timeline"
	KindWaiting   = "waiting"
	KindLines     = "lines"
	KindWatermark = "watermark"
	KindQueue     = "queue"
	KindMoved     = "moved"
	KindRefused   = "refused"
)

// Store is what memory needs of a database.
type Store interface {
	Get(ctx context.Context, kind, key string) (store.Document, error)
	Put(ctx context.Context, docs []store.Document, work []store.Work) error
	List(ctx context.Context, kind, prefix string) ([]store.Document, error)
	Enqueue(ctx context.Context, work ...store.Work) error
}

// Memory has a table for each kind of document.
type Memory struct {
	Repos      *Table[coupling.Repo, Repo]
	Overlays   *Table[coupling.Repo, Overlay]
	Judgements *Table[coupling.Key, Judgement]
	Histories  *Table[coupling.Key, History]
	Members    *Table[coupling.Pull, Member]
	Pulls      *Table[coupling.Pull, Pull]
	Heads      *Table[HeadKey, Head]
	Overrides  *Table[coupling.Pull, Overrides]
	Comments   *Table[CommentKey, Comment]
	Mentions   *Table[coupling.Pull, Mention]
	Reports    *Table[coupling.Repo, Report]
	Pages      *Table[coupling.Pull, Page]
	Timelines  *Table[GateKey, Timeline]
	Waiting    *Table[WaitingKey, Waiting]
	Lines      *Table[coupling.Repo, Lines]
	Watermarks *Table[WatermarkKey, Watermark]
	Deliveries *Table[App, Deliveries]
	Queues     *Table[QueueKey, Queue]
	Moved      *Table[FormerName, Moved]
	Refused    *Table[RowName, Refused]
}

// New returns the memory that a database keeps.
func New(s Store) *Memory {
	m := &Memory{}
	policies, _ := lru.New[policyText, *parsedPolicy](maxPolicies)
	m.Repos = newTable[coupling.Repo, Repo](s, KindRepo, repoKey, nil).shared(maxRepos, func(d *Repo) { d.parse(policies) })
	m.Overlays = newTable[coupling.Repo, Overlay](s, KindOverlay, repoKey, nil).shared(maxOverlays, nil)
	m.Judgements = newTable[coupling.Key, Judgement](s, KindJudgement, couplingKey, after(":")).shared(0, nil)
	m.Histories = newTable[coupling.Key, History](s, KindHistory, couplingKey, after(":"))
	m.Members = newTable[coupling.Pull, Member](s, KindMember, pullKey, after("#"))
	m.Pulls = newTable[coupling.Pull, Pull](s, KindPull, pullKey, after("#"))
	m.Heads = newTable[HeadKey, Head](s, KindHead, headKey, after("@"))
	m.Overrides = newTable[coupling.Pull, Overrides](s, KindOverride, pullKey, after("#"))
	m.Comments = newTable[CommentKey, Comment](s, KindComment, commentKey, after("#"))
	m.Mentions = newTable[coupling.Pull, Mention](s, KindMention, pullKey, after("#"))
	m.Reports = newTable[coupling.Repo, Report](s, KindReport, repoKey, nil)
	m.Pages = newTable[coupling.Pull, Page](s, KindPage, pullKey, after("#"))
	m.Timelines = newTable[GateKey, Timeline](s, KindTimeline, gateKey, after(" "))
	m.Waiting = newTable[WaitingKey, Waiting](s, KindWaiting, waitingKey, after(" "))
	m.Lines = newTable[coupling.Repo, Lines](s, KindLines, repoKey, nil)
	m.Watermarks = newTable[WatermarkKey, Watermark](s, KindWatermark, watermarkKey, nil)
	m.Deliveries = newTable[App, Deliveries](s, KindWatermark, appKey, nil)
	m.Queues = newTable[QueueKey, Queue](s, KindQueue, queueKey, after("@"))
	m.Moved = newTable[FormerName, Moved](s, KindMoved, formerKey, nil)
	m.Refused = newTable[RowName, Refused](s, KindRefused, rowKey, nil)
	return m
}

// Table reads and writes the documents of one kind.
type Table[K, T any] struct {
	Kind  string
	store Store
	key   keys[K]
	of    func(coupling.Repo) string // the prefix of the keys of a repository; nil where they are not listed by it
	cache cache[T]
}

// keys says how the keys of a kind are written. read is the inverse of write.
type keys[K any] struct {
	write func(K) string
	read  func(string) (K, error)
}

// Doc is a document as it was read.
type Doc[K, T any] struct {
	store.Document
	Of    K
	Value T
}

// Exists reports whether the document is remembered.
func (d Doc[K, T]) Exists() bool { return d.Rev > 0 }

// With returns the document to put in place of this one.
func (d Doc[K, T]) With(v T) store.Document {
	body, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("%s %s: %v", d.Kind, d.Document.Key, err)) // only types of this package come here
	}
	return store.Document{Kind: d.Kind, Key: d.Document.Key, Rev: d.Rev, Body: body}
}

// Gone returns the document to put so that this one is forgotten.
func (d Doc[K, T]) Gone() store.Document {
	return store.Document{Kind: d.Kind, Key: d.Document.Key, Rev: d.Rev}
}

func newTable[K, T any](s Store, kind string, key keys[K], of func(coupling.Repo) string) *Table[K, T] {
	return &Table[K, T]{Kind: kind, store: s, key: key, of: of}
}

// Read reads a document, which may not exist.
func (t *Table[K, T]) Read(ctx context.Context, key K) (Doc[K, T], error) {
	d, err := t.store.Get(ctx, t.Kind, t.key.write(key))
	if err != nil {
		return Doc[K, T]{}, fmt.Errorf("%s %s: %w", t.Kind, t.key.write(key), err)
	}
	d.Kind, d.Key = t.Kind, t.key.write(key)
	out := Doc[K, T]{Document: d, Of: key}
	if d.Rev > 0 {
		out.Value, err = t.cache.one(d)
	}
	return out, err
}

// Load reads what a document holds; the zero value when it does not exist.
func (t *Table[K, T]) Load(ctx context.Context, key K) (T, error) {
	d, err := t.Read(ctx, key)
	return d.Value, err
}

// Find reads what a document holds, and reports whether it exists.
func (t *Table[K, T]) Find(ctx context.Context, key K) (T, bool, error) {
	d, err := t.Read(ctx, key)
	return d.Value, d.Exists(), err
}

// Has reports whether a document exists.
func (t *Table[K, T]) Has(ctx context.Context, key K) (bool, error) {
	d, err := t.store.Get(ctx, t.Kind, t.key.write(key))
	return d.Rev > 0, err
}

// Update reads a document, lets change alter it, and writes it with the work it calls for; it begins again when somebody else wrote in
// between. change reports whether there is anything to write.
func (t *Table[K, T]) Update(ctx context.Context, key K, change func(v *T) ([]store.Work, bool)) (T, error) {
	return t.UpdateWith(ctx, key, func(v *T) ([]store.Document, []store.Work, bool, error) {
		queue, write := change(v)
		return nil, queue, write, nil
	})
}

// UpdateWith is [Table.Update] with further documents that are written in the same transaction.
func (t *Table[K, T]) UpdateWith(ctx context.Context, key K, change func(v *T) ([]store.Document, []store.Work, bool, error)) (T, error) {
	for {
		d, err := t.Read(ctx, key)
		if err != nil {
			return d.Value, err
		}
		more, queue, write, err := change(&d.Value)
		if err != nil {
			return d.Value, err
		}
		if !write {
			if len(queue) > 0 {
				err = t.store.Enqueue(ctx, queue...)
			}
			return d.Value, err
		}
		err = t.store.Put(ctx, append(more, d.With(d.Value)), queue)
		if !errors.Is(err, store.ErrConflict) {
			return d.Value, err
		}
	}
}

// All reads all documents of the kind, by key.
func (t *Table[K, T]) All(ctx context.Context) ([]Doc[K, T], error) {
	return t.list(ctx, "", t.cache.all)
}

// In reads the documents of a repository, by key.
func (t *Table[K, T]) In(ctx context.Context, repo coupling.Repo) ([]Doc[K, T], error) {
	return t.list(ctx, t.of(repo), t.cache.many)
}

// Keys lists the keys of a repository's documents.
func (t *Table[K, T]) Keys(ctx context.Context, repo coupling.Repo) ([]K, error) {
	docs, err := t.store.List(ctx, t.Kind, t.of(repo))
	if err != nil {
		return nil, fmt.Errorf("list %s %s: %w", t.Kind, t.of(repo), err)
	}
	out := make([]K, len(docs))
	for i, d := range docs {
		if out[i], err = t.key.read(d.Key); err != nil {
			return nil, fmt.Errorf("%s %s: %w", d.Kind, d.Key, err)
		}
	}
	return out, nil
}

// Prefix returns how the keys of a repository begin.
func (t *Table[K, T]) Prefix(repo coupling.Repo) string { return t.of(repo) }

func (t *Table[K, T]) list(ctx context.Context, prefix string, values func([]store.Document) ([]T, error)) ([]Doc[K, T], error) {
	docs, err := t.store.List(ctx, t.Kind, prefix)
	if err != nil {
		return nil, fmt.Errorf("list %s %s: %w", t.Kind, prefix, err)
	}
	decoded, err := values(docs)
	if err != nil {
		return nil, err
	}
	out := make([]Doc[K, T], len(docs))
	for i, d := range docs {
		key, err := t.key.read(d.Key)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", d.Kind, d.Key, err)
		}
		out[i] = Doc[K, T]{Document: d, Of: key, Value: decoded[i]}
	}
	return out, nil
}

// readable reports an error when a document of the kind cannot be read.
func (t *Table[K, T]) readable(d store.Document) error {
	_, err := t.key.read(d.Key)
	if err == nil {
		err = json.Unmarshal(d.Body, new(T))
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", d.Kind, d.Key, err)
	}
	return nil
}

// Readable reports whether a document is of a kind of this package, and an error when it cannot be read.
func Readable(d store.Document) (known bool, err error) {
	read, known := readers()[d.Kind]
	if !known {
		return false, nil
	}
	return true, read(d)
}

// readers returns by kind what reads a document.
var readers = sync.OnceValue(func() map[string]func(store.Document) error {
	m := New(nil)
	return map[string]func(store.Document) error{
		KindRepo: m.Repos.readable, KindOverlay: m.Overlays.readable, KindJudgement: m.Judgements.readable, KindHistory: m.Histories.readable,
		KindMember: m.Members.readable, KindPull: m.Pulls.readable, KindHead: m.Heads.readable, KindOverride: m.Overrides.readable,
		KindComment: m.Comments.readable, KindMention: m.Mentions.readable, KindReport: m.Reports.readable, KindPage: m.Pages.readable,
		KindTimeline: m.Timelines.readable, KindWaiting: m.Waiting.readable, KindLines: m.Lines.readable, KindWatermark: m.readableMark,
		KindQueue: m.Queues.readable, KindMoved: m.Moved.readable, KindRefused: m.Refused.readable,
	}
})

// readableMark is readable for the kind that two tables share.
func (m *Memory) readableMark(d store.Document) error {
	if d.Key == deliveriesKey {
		return m.Deliveries.readable(d)
	}
	return m.Watermarks.readable(d)
}

func decode(d store.Document, v any) error {
	if err := json.Unmarshal(d.Body, v); err != nil {
		return fmt.Errorf("%s %s: remembered text is damaged: %w", d.Kind, d.Key, err)
	}
	return nil
}
