package reconcile

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/relbot/relbot/internal/coupling"
	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/publish"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/work"
)

// renaming collects what is remembered of a repository under its new name, for one transaction.
type renaming struct {
	*Reconciler
	from, to coupling.Repo
	docs     []store.Document
}

// rename carries what is remembered of a repository over to its new name.
func (r *Reconciler) rename(ctx context.Context, from, to coupling.Repo) error {
	n := &renaming{Reconciler: r, from: from, to: to}
	affected, err := r.touching(ctx, from)
	if err != nil {
		return err
	}
	for i, key := range affected {
		if err := n.judgement(ctx, key); err != nil {
			return err
		}
		affected[i] = coupling.Key(renamed(string(key), from, to))
	}
	if err := n.moveAll(ctx); err != nil {
		return err
	}
	r.indexes.Clear() // they hold former names
	if err := r.Store.Put(ctx, n.docs, append(judging(affected), work.Repo(to))); err != nil {
		return err
	}
	return r.moved(ctx, from, to)
}

// judgement carries over the judgement of a coupling that has to do with the repository.
func (n *renaming) judgement(ctx context.Context, key coupling.Key) error {
	before, err := n.Memory.Judgements.Read(ctx, key)
	if err != nil || !before.Exists() {
		return err
	}
	for _, m := range before.Value.Members { // the same members as before: no news for which a new note would be due
		if err := n.Publish.Renamed(ctx, m.Pull); err != nil {
			return err
		}
	}
	j, err := n.names(before.Value)
	if err != nil {
		return err
	}
	target := before
	if to := coupling.Key(renamed(string(key), n.from, n.to)); to != key {
		n.docs = append(n.docs, before.Gone())
		if target, err = n.Memory.Judgements.Read(ctx, to); err != nil {
			return err
		}
	}
	n.docs = append(n.docs, target.With(j))
	return nil
}

// names returns a judgement with the new name. The alarms that were posted stay posted.
func (n *renaming) names(d memory.Judgement) (memory.Judgement, error) {
	body, err := json.Marshal(d)
	if err != nil {
		return d, err
	}
	var out memory.Judgement
	if err := json.Unmarshal([]byte(renamed(string(body), n.from, n.to)), &out); err != nil {
		return d, err
	}
	out.Alarmed = nil
	for _, a := range out.Alarms {
		out.Alarmed = append(out.Alarmed, alarmID(a))
	}
	return out, nil
}

// moveAll carries over every other document whose key names the repository.
func (n *renaming) moveAll(ctx context.Context) error {
	m := n.Memory
	for _, kind := range []string{m.Overlays.Kind, m.Reports.Kind, m.Repos.Kind, m.Lines.Kind} {
		if err := n.move(ctx, kind, string(n.from), string(n.to)); err != nil {
			return err
		}
	}
	// Without these it would look as if the database were lost, and nothing were known of what was said there.
	for _, list := range []memory.List{memory.Replayed, memory.ReadUpTo, memory.Proposed} {
		if err := n.move(ctx, m.Watermarks.Kind, string(list)+" "+string(n.from), string(list)+" "+string(n.to)); err != nil {
			return err
		}
	}
	for _, prefix := range []struct {
		kind string
		of   func(coupling.Repo) string
	}{
		{m.Waiting.Kind, m.Waiting.Prefix}, {m.Histories.Kind, m.Histories.Prefix}, {m.Members.Kind, m.Members.Prefix}, {m.Pulls.Kind, m.Pulls.Prefix},
		{m.Overrides.Kind, m.Overrides.Prefix}, {m.Comments.Kind, m.Comments.Prefix}, {m.Mentions.Kind, m.Mentions.Prefix}, {m.Heads.Kind, m.Heads.Prefix},
		{m.Queues.Kind, m.Queues.Prefix}, {publish.DocNote, m.Pulls.Prefix}, {publish.DocCheck, m.Heads.Prefix},
		{publish.DocOnce, func(repo coupling.Repo) string { return replyTo(repo, "") }},
		{publish.DocOnce, func(repo coupling.Repo) string { return toldOf(m.Pulls.Prefix(repo)) }},
	} {
		docs, err := n.Store.List(ctx, prefix.kind, prefix.of(n.from))
		if err != nil {
			return err
		}
		for _, d := range docs {
			if err := n.move(ctx, prefix.kind, d.Key, prefix.of(n.to)+strings.TrimPrefix(d.Key, prefix.of(n.from))); err != nil {
				return err
			}
		}
	}
	pages, err := m.Pages.In(ctx, n.from) // the name is in their addresses
	for _, d := range pages {
		n.docs = append(n.docs, d.Gone())
	}
	return err
}

// move carries over one document.
func (n *renaming) move(ctx context.Context, kind, from, to string) error {
	d, err := n.Store.Get(ctx, kind, from)
	if err != nil || d.Rev == 0 {
		return err
	}
	existing, err := n.Store.Get(ctx, kind, to)
	if err != nil {
		return err
	}
	n.docs = append(n.docs, store.Document{Kind: kind, Key: to, Rev: existing.Rev, Body: []byte(renamed(string(d.Body), n.from, n.to))},
		store.Document{Kind: kind, Key: from, Rev: d.Rev})
	return nil
}

// renamed returns a text with the name of a repository changed wherever it is; one that only begins or ends like it is another repository's.
func renamed(text string, from, to coupling.Repo) string {
	var b strings.Builder
	part := func(c byte) bool {
		return c == '-' || c == '_' || c == '.' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
	}
	for {
		i := strings.Index(text, string(from))
		if i < 0 {
			return b.String() + text
		}
		end := i + len(from)
		b.WriteString(text[:i])
		if i > 0 && part(text[i-1]) || end < len(text) && part(text[end]) {
			b.WriteString(text[i:end])
		} else {
			b.WriteString(string(to))
		}
		text = text[end:]
	}
}
