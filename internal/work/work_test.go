package work_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/work"
)

const repo = coupling.Repo("acme/app")

var (
	pull  = coupling.Pull{Repo: repo, Number: 12}
	at    = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	group = work.GroupPayload{Action: "destroyed", BaseRef: "refs/heads/main", BaseSHA: "c0", Head: "c1", HeadRef: "gh-readonly-queue/main/pr-12-c0", Reason: "merged"}
)

// rows has one row of each constructor.
var rows = []store.Work{
	work.Install(), work.Installed(work.InstallPayload{}), work.InstallOf("acme"), work.Repo(repo), work.Backfill(repo),
	work.Ref(repo, "refs/heads/main", work.RefPayload{}), work.Pull(pull), work.PullEvent(pull, work.PullPayload{}), work.Listed(forge.Pull{Pull: pull}),
	work.Recheck(pull), work.Verify(pull), work.Comment(pull, work.CommentPayload{ID: 7}), work.Comments(repo), work.Group(repo, group),
	work.Queue(repo, "main"), work.QueueLater(repo, "main", at), work.Coupling("acme/app:image"), work.Show(pull, false), work.Show(pull, true),
	work.Tell(pull, true, at), work.Expire(pull, at), work.Alarm(pull, "a1", "acme/app:image"), work.Report(repo), work.Deliveries(), work.Prune(),
	work.PruneRepo(repo), work.Refused(), work.Reconcile(),
}

// table reads the table of the package comment: kind, key and serialization key of each line.
func table(t *testing.T) (lines [][3]string, kinds []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "work.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(f.Doc.Text()) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if cells[3] == "" || cells[4] == "" {
			t.Errorf("%s: the table does not say who queues it and what it does", cells[0])
		}
		lines = append(lines, [3]string{cells[0], cells[1], cells[2]})
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, "Kind") {
			kind, _ := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			kinds = append(kinds, kind)
		}
		return true
	})
	return lines[1:], kinds // without its heading
}

// TestTable holds the table of the package comment against the constructors: each row is in it, and each of its lines has a row.
func TestTable(t *testing.T) {
	names := strings.NewReplacer("REPO@REF", "acme/app@refs/heads/main", "REPO@COMMIT", "acme/app@c1", "REPO@BRANCH", "acme/app@main", "COUPLING", "acme/app:image",
		"PULL", pull.String(), "REPO", string(repo), ":ID", ":7", "ACCOUNT", "acme", " ALARM", " a1")
	lines, kinds := table(t)
	built := map[[3]string]bool{}
	for _, w := range rows {
		built[[3]string{w.Kind, w.Key, w.Lane}] = true
	}
	for _, line := range lines {
		want := [3]string{line[0], names.Replace(line[1]), names.Replace(line[2])}
		if !built[want] {
			t.Errorf("no constructor makes a row %q", want)
		}
		delete(built, want)
	}
	for row := range built {
		t.Errorf("the table has no line for %q", row)
	}
	for _, kind := range kinds {
		if !slices.ContainsFunc(lines, func(l [3]string) bool { return l[0] == kind }) {
			t.Errorf("the table has no line for the kind %s", kind)
		}
	}
}

// TestExclusion holds which kinds never run at once: those with one writer of the same thing.
func TestExclusion(t *testing.T) {
	want := map[string][]string{
		"acme/app#12":         {"alarm", "expire", "listed", "pull", "recheck", "show", "tell", "verify"},
		"comments:acme/app":   {"comment", "comments"},
		"queue:acme/app@main": {"group", "queue", "queue-later"},
		"couplings:acme/app":  {"coupling"},
		"acme/app":            {"repo"},
		"refs:acme/app":       {"ref"},
		"report:acme/app":     {"report"},
		"install":             {"install"},
		"deliveries":          {"deliveries"},
		"prune":               {"prune"},
		"refused":             {"refused"},
		"reconcile":           {"reconcile"},
	}
	got := map[string][]string{}
	for _, w := range rows {
		if !slices.Contains(got[w.Lane], w.Kind) {
			got[w.Lane] = append(got[w.Lane], w.Kind)
		}
	}
	for _, kinds := range got {
		slices.Sort(kinds)
	}
	for _, key := range slices.Sorted(maps.Keys(got)) {
		if !slices.Equal(got[key], want[key]) {
			t.Errorf("%s: %v run one after the other, want %v", key, got[key], want[key])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d serialization keys, want %d", len(got), len(want))
	}
}

// TestPayloads holds that a handler reads what a constructor was given, and nothing where there is no payload of that kind.
func TestPayloads(t *testing.T) {
	read := forge.Pull{Pull: pull, Head: "h", Base: "main", State: "open", Title: "t", Body: "b", Author: "ann", AuthorBot: true, Private: true, UpdatedAt: at}
	said := work.Read(read)
	comment := work.CommentPayload{ID: 7, Body: "/relbot hold", Author: "ann", Created: at, Replay: true, Refused: true, Edited: true, Late: true}
	for _, c := range []struct{ name, got, want any }{
		{"repo", work.Payload[work.RepoPayload](work.Backfill(repo)), work.RepoPayload{Backfill: true}},
		{"repo without", work.Payload[work.RepoPayload](work.Repo(repo)), work.RepoPayload{}},
		{"pull", work.Payload[work.PullPayload](work.PullEvent(pull, said)), said},
		{"pull without", work.Payload[work.PullPayload](work.Pull(pull)), work.PullPayload{}},
		{"listed", work.Payload[work.PullPayload](work.Listed(read)), said},
		{"comment", work.Payload[work.CommentPayload](work.Comment(pull, comment)), comment},
		{"group", work.Payload[work.GroupPayload](work.Group(repo, group)), group},
		{"show", work.Payload[work.ShowPayload](work.Show(pull, true)), work.ShowPayload{Verify: true}},
		{"tell", work.Payload[work.ShowPayload](work.Tell(pull, true, at)), work.ShowPayload{Verify: true}},
		{"alarm", work.Payload[work.AlarmPayload](work.Alarm(pull, "a1", "acme/app:image")), work.AlarmPayload{Coupling: "acme/app:image"}},
		{"unreadable", work.Payload[work.RepoPayload](store.Work{Data: []byte(`{"backfill":true`)}), work.RepoPayload{}},
		{"of another form", work.Payload[work.PullPayload](store.Work{Data: []byte(`{"head":"h","private":"yes"}`)}), work.PullPayload{}},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, c.got, c.want)
		}
	}
	if w := work.Show(pull, false); w.Data != nil {
		t.Errorf("a bare row to show replaces the payload of one that waits: %s", w.Data)
	}
}

// TestTrails holds that a row that answers several events has what each of them said.
func TestTrails(t *testing.T) {
	merged := func(rows ...store.Work) store.Work {
		var trail string
		for _, w := range rows {
			trail += w.Trail
		}
		return store.Work{Trail: trail + "no line of ours\n"}
	}
	installed := []work.InstallPayload{{Listed: []coupling.Repo{repo}}, {Gone: []coupling.Repo{"acme/old"}}}
	if got := work.Trail[work.InstallPayload](merged(work.Installed(installed[0]), work.Installed(installed[1]))); !reflect.DeepEqual(got, installed) {
		t.Errorf("%+v", got)
	}
	moved := []work.RefPayload{{Before: "c0", After: "c1"}, {Before: "c1", Gone: true}}
	if got := work.Trail[work.RefPayload](merged(work.Ref(repo, "refs/tags/v1", moved[0]), work.Ref(repo, "refs/tags/v1", moved[1]))); !reflect.DeepEqual(got, moved) {
		t.Errorf("%+v", got)
	}
	changed := []work.Change{{At: at, Of: "base", From: "main", To: "next\n"}, {At: at, Of: "body", To: work.Digest("b")}, {At: at}}
	if got := work.Trail[work.Change](merged(work.PullEvent(pull, work.PullPayload{}, changed[:2]...), work.PullEvent(pull, work.PullPayload{}, changed[2]))); !reflect.DeepEqual(got, changed) {
		t.Errorf("%+v", got)
	}
}

// TestMoments holds which rows wait for a moment.
func TestMoments(t *testing.T) {
	for _, w := range rows {
		later := slices.Contains([]string{work.KindQueueLater, work.KindTell, work.KindExpire}, w.Kind)
		if w.At.Equal(at) != later || !later && !w.At.IsZero() {
			t.Errorf("%s: at %v", w.Kind, w.At)
		}
	}
}

// TestKeys holds that handlers read from a key what its constructor was given, and nothing from the key of another program.
func TestKeys(t *testing.T) {
	for _, w := range rows {
		if w.Lane != pull.String() || w.Kind == work.KindAlarm {
			continue
		}
		if p, ok := work.PullOf(w); !ok || p != pull {
			t.Errorf("%s: %v, %v", w.Kind, p, ok)
		}
	}
	if p, ok := work.CommentOf(work.Comment(pull, work.CommentPayload{ID: 7})); !ok || p != pull {
		t.Errorf("comment: %v, %v", p, ok)
	}
	if p, id, ok := work.AlarmOf(work.Alarm(pull, "a1", "")); !ok || p != pull || id != "a1" {
		t.Errorf("alarm: %v %s, %v", p, id, ok)
	}
	if r, ref := work.RefOf(work.Ref(repo, "refs/heads/a@b", work.RefPayload{})); r != repo || ref != "refs/heads/a@b" {
		t.Errorf("ref: %s %s", r, ref)
	}
	if r, branch := work.QueueOf(work.QueueLater(repo, "release/1.2", at)); r != repo || branch != "release/1.2" {
		t.Errorf("queue: %s %s", r, branch)
	}
	for key, want := range map[string]coupling.Repo{
		"acme/app": repo, "acme/app#12": repo, "acme/app#12:7": repo, "acme/app@main": repo, "acme/app:image": repo, "acme/app#12 a1": repo, "all": "", "acme": "", "": "",
	} {
		if got := work.RepoOf(store.Work{Key: key}); got != want {
			t.Errorf("%q: repository %q, want %q", key, got, want)
		}
	}
	for _, key := range []string{"", "all", ":", "acme/app", "acme/app#x"} {
		w := store.Work{Key: key}
		_, ofPull := work.PullOf(w)
		_, ofComment := work.CommentOf(w)
		if _, _, ofAlarm := work.AlarmOf(w); ofPull || ofComment || ofAlarm {
			t.Errorf("%q names a pull request", key)
		}
	}
	w := work.Alarm(pull, "a1", "acme/app:image")
	if got := work.Named(work.Name(w), w.Lane, w.Data); !reflect.DeepEqual(got, w) {
		t.Errorf("%+v, want %+v", got, w)
	}
}
