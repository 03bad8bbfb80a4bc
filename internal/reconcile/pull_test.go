package reconcile

import (
	"slices"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/forge"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/work"
)

// TestBelieved holds when what an event or a list said of a pull request counts without a read.
func TestBelieved(t *testing.T) {
	known := memory.Pull{Head: "a", Base: "main", State: "open", Updated: noon}
	event := work.PullPayload{Head: "b", Base: "main", State: "open", UpdatedAt: noon.Add(time.Second)}
	listed := work.Read(forge.Pull{Pull: pull, Head: "a", Base: "main", State: "open", UpdatedAt: noon})
	lagging := known
	lagging.Updated = noon.Add(-time.Minute)
	lagging.Hear([]work.Change{{At: noon, Of: "head", From: "a", To: "b"}}, noon)
	for _, c := range []struct {
		name string
		l    pulling
		want bool
	}{
		{"a newer event", pulling{said: event, seen: known}, true},
		{"the first event", pulling{said: event}, true},
		{"an event that is no newer", pulling{said: work.PullPayload{Head: "b", UpdatedAt: noon}, seen: known}, false},
		{"no event", pulling{seen: known}, false},
		{"several events", pulling{said: event, seen: known, row: store.Claimed{Want: 3, Done: 1}}, false},
		{"a second attempt", pulling{said: event, seen: known, row: store.Claimed{Attempt: 1}}, false},
		{"a click on re-run", pulling{said: event, seen: known, recheck: true}, false},
		{"a list that shows what is known", pulling{said: listed, seen: known}, true},
		{"a list that several rows asked for", pulling{said: listed, seen: known, row: store.Claimed{Want: 3, Done: 1}}, true},
		{"a list that shows the head before a push", pulling{said: listed, seen: lagging}, false},
	} {
		if got := c.l.believed(); got != c.want {
			t.Errorf("%s: it counts: %v", c.name, got)
		}
	}
}

// TestMerged holds what is kept of a pull request that another work changed meanwhile.
func TestMerged(t *testing.T) {
	looked := memory.Look{Looked: true, LookBasis: "basis", Touches: true}
	seen := memory.Pull{Updated: noon, Look: looked}
	found := memory.Pull{Head: "b", Updated: noon, Learned: noon.Add(time.Second), Look: looked}
	now := seen
	now.Recheck, now.Learned = 2, noon
	l := pulling{seen: seen}
	if got := l.merged(now, found); !got.Looked || got.Recheck != 2 || !got.Learned.Equal(noon) {
		t.Errorf("nobody changed it: %+v", got)
	}
	now.Looked = false
	if got := l.merged(now, found); got.Looked || got.Touches {
		t.Errorf("somebody has it looked at again: %+v", got)
	}
	l.recheck, found.Updated = true, noon.Add(time.Second)
	if got := l.merged(now, found); got.Recheck != 3 || !got.Learned.Equal(found.Learned) {
		t.Errorf("a click after a newer event: %+v", got)
	}
}

// TestJudgingOfPull holds that the couplings of a pull request judge before it is shown, and those of listed ones after what is due.
func TestJudgingOfPull(t *testing.T) {
	l := &pulling{Reconciler: world(t), pull: pull, keys: []coupling.Key{"acme/app:a", "acme/app:b"}}
	if got := l.judging(); len(got) != 2 || got[0].Kind != work.KindCoupling || !got[0].At.IsZero() {
		t.Errorf("an event: %+v", got)
	}
	l.verify, l.said = true, work.Read(forge.Pull{Pull: pull})
	got := l.judging()
	if len(got) != 3 || !got[0].At.Equal(noon) || got[2].Kind != work.KindShow || !work.Payload[work.ShowPayload](got[2]).Verify {
		t.Errorf("a list, to be compared with GitHub: %+v", got)
	}
	l.keys = nil
	if got := l.judging(); len(got) > 0 {
		t.Errorf("in no coupling: %+v", got)
	}
}

// TestReshow holds who is shown again after a judgement, and that the couplings of each are noted.
func TestReshow(t *testing.T) {
	r := world(t)
	ctx := t.Context()
	member := func(n int, level rules.Level) rules.MemberState {
		p := coupling.Pull{Repo: app, Number: n}
		return rules.MemberState{Pull: p, Verdict: rules.Verdict{Pull: p, Level: level}}
	}
	of := func(name string, members ...rules.MemberState) rules.Judgement {
		return rules.Judgement{Coupling: coupling.Coupling{Name: name, Home: app}, Members: members}
	}
	put := func(before, now rules.Judgement) []string {
		t.Helper()
		docs, queue, err := r.reshow(ctx, before, now)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Store.Put(ctx, docs, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Memory.Judgements.Update(ctx, now.Coupling.Key(), func(d *memory.Judgement) ([]store.Work, bool) { d.Judgement = now; return nil, true }); err != nil {
			t.Fatal(err)
		}
		var shown []string
		for _, w := range queue {
			shown = append(shown, w.Key)
		}
		slices.Sort(shown)
		return slices.Compact(shown)
	}
	if got := put(of("b"), of("b", member(3, rules.Pass), member(2, rules.Pass))); !slices.Equal(got, []string{"acme/app#2", "acme/app#3"}) {
		t.Errorf("a new coupling: %v", got)
	}
	first := of("a", member(1, rules.Pass), member(2, rules.Pass))
	if got := put(of("a"), first); !slices.Equal(got, []string{"acme/app#1", "acme/app#2", "acme/app#3"}) {
		t.Errorf("one that shares #2 with another, whose notes speak of it: %v", got)
	}
	if got := put(first, first); !slices.Equal(got, []string{"acme/app#1", "acme/app#2"}) {
		t.Errorf("the same again: %v", got)
	}
	if got := put(first, of("a", member(1, rules.Block))); !slices.Equal(got, []string{"acme/app#1", "acme/app#2", "acme/app#3"}) {
		t.Errorf("without #2: %v", got)
	}
	in, err := r.Memory.Members.Load(ctx, coupling.Pull{Repo: app, Number: 2})
	if err != nil || !slices.Equal(in.Couplings, []coupling.Key{"acme/app:b"}) {
		t.Errorf("#2 is in %v; %v", in.Couplings, err)
	}
}

// TestAlarms holds that an alarm is commented on once, wherever it is to be read.
func TestAlarms(t *testing.T) {
	alarm := func(code rules.Code) rules.Alarm {
		return rules.Alarm{Reason: rules.Reason{Code: code, About: pull}, Notify: []coupling.Pull{pull, {Repo: app, Number: 13}}}
	}
	d := &memory.Judgement{Judgement: rules.Judgement{Coupling: coupling.Coupling{Name: "a", Home: app}, Alarms: []rules.Alarm{alarm(rules.HalfLanded)}}}
	if got := alarms(d); len(got) != 2 || got[0].Kind != work.KindAlarm || work.Payload[work.AlarmPayload](got[0]).Coupling != "acme/app:a" {
		t.Errorf("a new alarm: %+v", got)
	}
	if got := alarms(d); len(got) > 0 {
		t.Errorf("the same alarm: %+v", got)
	}
	d.Alarms = append(d.Alarms, alarm(rules.MemberReverted))
	if got := alarms(d); len(got) != 2 {
		t.Errorf("one more alarm: %+v", got)
	}
	d.Alarms = nil
	if got := alarms(d); len(got) > 0 || len(d.Alarmed) > 0 {
		t.Errorf("none any more: %+v, %v", got, d.Alarmed)
	}
}

// TestPatience holds when an unknown verdict is shown, and that a check of before an outage stays until the patience is over.
func TestPatience(t *testing.T) {
	outage := []memory.Judgement{{Outage: noon}}
	for _, c := range []struct {
		name    string
		since   time.Duration // for how long the verdict has been unknown
		posted  rules.Level
		js      []memory.Judgement
		shows   bool
		expired bool
	}{
		{"nothing was posted", time.Minute, "", outage, true, false},
		{"an outage after a pass", time.Minute, rules.Pass, outage, false, false},
		{"no outage", time.Minute, rules.Pass, nil, true, false},
		{"an outage that lasts", DefaultPatience, rules.Pass, outage, true, true},
		{"it was shown as unknown", time.Minute, rules.Unknown, outage, true, false},
	} {
		r := world(t)
		k := &checking{r: r, remembered: remembered{pull: pull, judgements: c.js}, verdict: rules.Verdict{Level: rules.Unknown}}
		k.posted.Unknown, k.posted.Level = noon.Add(-c.since), string(c.posted)
		shows, err := k.patience(t.Context())
		if err != nil || shows != c.shows || k.expired != c.expired {
			t.Errorf("%s: shown %v, expired %v; %v", c.name, shows, k.expired, err)
		}
		jobs, err := r.Store.Jobs(t.Context())
		if waits := len(jobs) == 1 && jobs[0].Kind == work.KindExpire && jobs[0].At.Equal(noon.Add(DefaultPatience-c.since)); err != nil || waits == c.expired {
			t.Errorf("%s: queued %+v; %v", c.name, jobs, err)
		}
	}
}
