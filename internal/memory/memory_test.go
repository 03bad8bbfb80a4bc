package memory

import (
	"go/parser"
	"go/token"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/store/sqlite"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/release"
	"github.com/relbot/relbot/internal/work"
)

const app = coupling.Repo("acme/app")

var pull = coupling.Pull{Repo: app, Number: 12}

func open(t *testing.T) (*Memory, store.Store) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return New(s), s
}

// TestKeys holds how the keys of each kind are written, that they can be read again, and that the package comment says so.
func TestKeys(t *testing.T) {
	m := New(nil)
	for _, c := range []struct{ line, want, written string }{
		{"repo REPO", "acme/app", keyOf(t, m.Repos, app)},
		{"overlay REPO", "acme/app", keyOf(t, m.Overlays, app)},
		{"judgement COUPLING", "acme/app:image", keyOf(t, m.Judgements, "acme/app:image")},
		{"history COUPLING", "acme/app:image", keyOf(t, m.Histories, "acme/app:image")},
		{"member PULL", "acme/app#12", keyOf(t, m.Members, pull)},
		{"pull PULL", "acme/app#12", keyOf(t, m.Pulls, pull)},
		{"head REPO@COMMIT", "acme/app@c1", keyOf(t, m.Heads, HeadKey{app, "c1"})},
		{"override PULL", "acme/app#12", keyOf(t, m.Overrides, pull)},
		{"comment PULL:ID", "acme/app#12:7", keyOf(t, m.Comments, CommentKey{pull, 7})},
		{"mention PULL", "acme/app#12", keyOf(t, m.Mentions, pull)},
		{"report REPO", "acme/app", keyOf(t, m.Reports, app)},
		{"page PULL", "acme/app#12", keyOf(t, m.Pages, pull)},
		{"timeline REPO GATE", "acme/app my gate", keyOf(t, m.Timelines, GateKey{app, "my gate"})},
		{"waiting REPO KIND KEY", "acme/app show acme/web#3", keyOf(t, m.Waiting, WaitingKey{app, RowName(work.Name(work.Show(coupling.Pull{Repo: "acme/web", Number: 3}, false)))})},
		{"lines REPO", "acme/app", keyOf(t, m.Lines, app)},
		{"watermark LIST REPO", "comments read acme/app", keyOf(t, m.Watermarks, ReadUpTo.Of(app))},
		{"watermark deliveries", "deliveries", keyOf(t, m.Deliveries, App{})},
		{"queue REPO@BRANCH", "acme/app@release/1@2", keyOf(t, m.Queues, QueueKey{app, "release/1@2"})},
		{"moved owner/name", "acme/old", keyOf(t, m.Moved, Formerly("Acme/Old"))},
		{"refused KIND KEY", "comment acme/app#12:7", keyOf(t, m.Refused, RowName(work.Name(work.Comment(pull, work.CommentPayload{ID: 7}))))},
	} {
		if c.written != c.want {
			t.Errorf("%s: the key is %q, want %q", c.line, c.written, c.want)
		}
		if !slices.Contains(lines(t), c.line) {
			t.Errorf("the table of the package comment has no line %q", c.line)
		}
	}
	if n := len(lines(t)); n != reflect.TypeFor[Memory]().NumField() {
		t.Errorf("the table of the package comment has %d lines, and Memory %d tables", n, reflect.TypeFor[Memory]().NumField())
	}
}

// keyOf returns how a key is written, and holds that it can be read again.
func keyOf[K comparable, T any](t *testing.T, of *Table[K, T], key K) string {
	t.Helper()
	written := of.key.write(key)
	if read, err := of.key.read(written); err != nil || read != key {
		t.Errorf("%s: %q is read as %v, %v", of.Kind, written, read, err)
	}
	return written
}

// lines reads kind and key of each line in the table of the package comment.
func lines(t *testing.T) (out []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "memory.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(f.Doc.Text()) {
		if cells := strings.Split(line, "|"); len(cells) == 3 {
			out = append(out, strings.TrimSpace(cells[0])+" "+strings.TrimSpace(cells[1]))
		}
	}
	return out[1:] // without its heading
}

// TestUpdate holds that a change is made on what is there when it is written, with the work it calls for and in one transaction.
func TestUpdate(t *testing.T) {
	m, s := open(t)
	ctx := t.Context()
	runs := 0
	got, err := m.Members.Update(ctx, pull, func(d *Member) ([]store.Work, bool) {
		runs++
		if runs == 1 { // somebody else is faster
			if _, err := m.Members.Update(ctx, pull, func(d *Member) ([]store.Work, bool) { return nil, d.Note("acme/app:b", true) }); err != nil {
				t.Fatal(err)
			}
		}
		return []store.Work{work.Show(pull, false)}, d.Note("acme/app:a", true)
	})
	if want := []coupling.Key{"acme/app:a", "acme/app:b"}; err != nil || runs != 2 || !slices.Equal(got.Couplings, want) {
		t.Errorf("after %d runs: %v, %v, want %v", runs, got.Couplings, err, want)
	}
	if jobs, err := s.Jobs(ctx); err != nil || len(jobs) != 1 || jobs[0].Kind != work.KindShow {
		t.Errorf("queued: %+v, %v", jobs, err)
	}
	before, err := m.Members.Read(ctx, pull)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Members.Update(ctx, pull, func(d *Member) ([]store.Work, bool) {
		return []store.Work{work.Pull(pull)}, d.Note("acme/app:a", true)
	}); err != nil {
		t.Fatal(err)
	}
	after, err := m.Members.Read(ctx, pull)
	if jobs, failed := s.Jobs(ctx); err != nil || failed != nil || after.Rev != before.Rev || len(jobs) != 2 {
		t.Errorf("without a change: revision %d after %d, %d rows of work, %v %v", after.Rev, before.Rev, len(jobs), err, failed)
	}
	if err := s.Put(ctx, []store.Document{after.Gone()}, nil); err != nil {
		t.Fatal(err)
	}
	if v, known, err := m.Members.Find(ctx, pull); known || err != nil || v.Couplings != nil {
		t.Errorf("forgotten, and found: %v %v", v, err)
	}
}

// TestLists holds that a list has the documents of one repository and no other, by key.
func TestLists(t *testing.T) {
	m, s := open(t)
	ctx := t.Context()
	for _, p := range []coupling.Pull{pull, {Repo: app, Number: 3}, {Repo: "acme/app2", Number: 1}, {Repo: "acme/ap", Number: 1}} {
		if _, err := m.Pulls.Update(ctx, p, func(d *Pull) ([]store.Work, bool) { d.Head = p.String(); return nil, true }); err != nil {
			t.Fatal(err)
		}
	}
	docs, err := m.Pulls.In(ctx, app)
	if err != nil || len(docs) != 2 || docs[0].Of != pull || docs[1].Of.Number != 3 || docs[1].Value.Head != "acme/app#3" {
		t.Errorf("%+v, %v", docs, err)
	}
	if all, err := m.Pulls.All(ctx); err != nil || len(all) != 4 {
		t.Errorf("%d pull requests, %v", len(all), err)
	}
	if keys, err := m.Pulls.Keys(ctx, "acme/app2"); err != nil || len(keys) != 1 || keys[0].Repo != "acme/app2" {
		t.Errorf("%v, %v", keys, err)
	}
	if err := s.Put(ctx, []store.Document{{Kind: KindPull, Key: "acme/app#1", Body: []byte("{")}}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Pulls.In(ctx, app); err == nil || !strings.Contains(err.Error(), "acme/app#1") {
		t.Errorf("a damaged document: %v", err)
	}
}

// TestShared holds that what is kept decoded is what the database has, also after another process wrote.
func TestShared(t *testing.T) {
	m, s := open(t)
	other := New(s)
	ctx := t.Context()
	policy := func(check string) string { return "version: 1\ncheck: {name: " + check + "}\n" }
	write := func(m *Memory, check string) {
		t.Helper()
		if _, err := m.Repos.Update(ctx, app, func(d *Repo) ([]store.Work, bool) {
			d.Name, d.Policy = app, policy(check)
			return nil, true
		}); err != nil {
			t.Fatal(err)
		}
	}
	for _, check := range []string{"one", "two"} {
		write(other, check)
		for range 2 {
			d, err := m.Repos.Load(ctx, app)
			if err != nil || d.Rules().Check.Name != check {
				t.Errorf("read: the check is %s, want %s; %v", d.Rules().Check.Name, check, err)
			}
			all, err := m.Repos.All(ctx)
			if err != nil || len(all) != 1 || all[0].Value.Rules().Check.Name != check {
				t.Errorf("listed: want the check %s: %+v, %v", check, all, err)
			}
		}
	}
	d, err := m.Repos.Load(ctx, app)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := m.Repos.Load(ctx, app); err != nil || again.parsed != d.parsed {
		t.Errorf("the same policy was parsed twice; %v", err)
	}
	if d.Policy = policy("three"); d.Rules().Check.Name != "three" {
		t.Errorf("a policy that was replaced counts: %s", d.Rules().Check.Name)
	}
	if none := (Repo{}).Rules(); none.Check != rules.DefaultCheck {
		t.Errorf("without a policy: %+v", none.Check)
	}
}

// TestLags holds which reads of a pull request show an older state than an event did.
func TestLags(t *testing.T) {
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	known := Pull{Head: "a", Base: "main", State: "open", Updated: at.Add(-time.Minute)}
	push := func(from, to string) work.Change { return work.Change{At: at, Of: "head", From: from, To: to} }
	if !known.Hear([]work.Change{push("a", "b")}, at) || known.Hear([]work.Change{push("a", "b")}, at) {
		t.Error("a change that was heard before is news, or a new one is not")
	}
	known.Head = "b"
	for _, c := range []struct {
		name string
		d    Pull
		fact versionscan.Fact[forge.Pull]
		want bool
	}{
		{"newer", known, versionscan.Know(forge.Pull{Head: "c", UpdatedAt: at.Add(time.Second)}), false},
		{"the same second", known, versionscan.Know(forge.Pull{Head: "b", UpdatedAt: at}), false},
		{"the same second, the head that was replaced", known, versionscan.Know(forge.Pull{Head: "a", UpdatedAt: at}), true},
		{"older", known, versionscan.Know(forge.Pull{Head: "b", UpdatedAt: at.Add(-time.Second)}), true},
		{"not there", known, versionscan.None[forge.Pull](""), true},
		{"not read", known, versionscan.NotKnown[forge.Pull]("a fault"), false},
		{"no event", Pull{Head: "b", Updated: at}, versionscan.None[forge.Pull](""), false},
	} {
		if got := c.d.Lags(c.fact); got != c.want {
			t.Errorf("%s: lags is %v", c.name, got)
		}
	}
}

// TestRefMoves holds which surveys show an older state of a branch or a tag than its events did, in the order in which these came.
func TestRefMoves(t *testing.T) {
	asked := forge.SurveyRequest{Branches: []string{"main", "next"}}
	branch := func(tip string) forge.Survey {
		s := forge.Survey{Branches: versionscan.Know(map[string]string{})}
		if tip != "" {
			s.Branches.Value["next"] = tip
		}
		return s
	}
	tag := func(object string) forge.Survey {
		s := forge.Survey{Tags: versionscan.Know([]release.Tag{})}
		if object != "" {
			s.Tags.Value = []release.Tag{{Name: "v1", Object: object, Commit: "c"}}
		}
		return s
	}
	for _, c := range []struct {
		name, ref string
		events    []work.RefPayload
		survey    forge.Survey
		want      bool
	}{
		{"a push", "refs/heads/next", []work.RefPayload{{Before: "a", After: "b"}}, branch("b"), false},
		{"a push that is not shown", "refs/heads/next", []work.RefPayload{{Before: "a", After: "b"}}, branch("a"), true},
		{"at a commit that no event named", "refs/heads/next", []work.RefPayload{{Before: "a", After: "b"}}, branch("c"), false},
		{"two pushes, and the state between", "refs/heads/next", []work.RefPayload{{Before: "a", After: "b"}, {Before: "b", After: "c"}}, branch("b"), true},
		{"an older push that came late", "refs/heads/next", []work.RefPayload{{Before: "b", After: "c"}, {Before: "a", After: "b"}}, branch("c"), false},
		{"made", "refs/heads/next", []work.RefPayload{{After: "a"}}, branch(""), true},
		{"deleted", "refs/heads/next", []work.RefPayload{{Before: "a", Gone: true}}, branch("a"), true},
		{"deleted, and shown so", "refs/heads/next", []work.RefPayload{{Before: "a", Gone: true}}, branch(""), false},
		{"deleted and made again", "refs/heads/next", []work.RefPayload{{Before: "a", Gone: true}, {}}, branch("a"), false},
		{"not asked for", "refs/heads/topic", []work.RefPayload{{After: "a"}}, branch(""), false},
		{"a tag", "refs/tags/v1", []work.RefPayload{{After: "o"}}, tag("o"), false},
		{"a tag that is not shown", "refs/tags/v1", []work.RefPayload{{After: "o"}}, tag(""), true},
		{"a tag that moved", "refs/tags/v1", []work.RefPayload{{Before: "o", After: "p"}}, tag("o"), true},
	} {
		d := RefMove{Ref: c.ref}
		for _, e := range c.events {
			d = d.Then(e, time.Time{})
		}
		if got := d.Lags(c.survey, asked); got != c.want {
			t.Errorf("%s: lags is %v, after %+v", c.name, got, d)
		}
	}
}

// TestLooks holds that what was found counts on its own basis, and not after it was to be looked for again.
func TestLooks(t *testing.T) {
	if (Look{}).LookedAt("") || (Words{}).TakenFrom("") {
		t.Error("what nobody looked at was looked at")
	}
	l, w := Look{Looked: true, LookBasis: "a"}, Words{Taken: true, WordsBasis: "a"}
	if !l.LookedAt("a") || l.LookedAt("b") || !w.TakenFrom("a") || w.TakenFrom("b") {
		t.Error("what was found counts on another basis")
	}
	if l.Looked, w.Taken = false, false; l.LookedAt("a") || w.TakenFrom("a") {
		t.Error("what is to be looked for again counts")
	}
}

// TestReadable holds that a document of a backup that cannot be read is found.
func TestReadable(t *testing.T) {
	for _, c := range []struct {
		d     store.Document
		known bool
		ok    bool
	}{
		{store.Document{Kind: KindPull, Key: "acme/app#1", Body: []byte(`{"head":"a"}`)}, true, true},
		{store.Document{Kind: KindPull, Key: "acme/app#1", Body: []byte(`{`)}, true, false},
		{store.Document{Kind: KindPull, Key: "acme/app", Body: []byte(`{}`)}, true, false},
		{store.Document{Kind: KindWatermark, Key: "deliveries", Body: []byte(`{"asked":{"g":{"times":1,"id":2}}}`)}, true, true},
		{store.Document{Kind: KindWatermark, Key: "deliveries", Body: []byte(`{"asked":1}`)}, true, false},
		{store.Document{Kind: KindWatermark, Key: "comments acme/app", Body: []byte(`{"at":"2026-06-01T12:00:00Z"}`)}, true, true},
		{store.Document{Kind: "note", Key: "acme/app#1", Body: []byte(`{}`)}, false, true},
	} {
		if known, err := Readable(c.d); known != c.known || (err == nil) != c.ok {
			t.Errorf("%s %s %s: %v, %v", c.d.Kind, c.d.Key, c.d.Body, known, err)
		}
	}
}
