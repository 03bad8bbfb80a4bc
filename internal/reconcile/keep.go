package reconcile

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/relbot/relbot/internal/memory"
	"github.com/relbot/relbot/internal/publish"
	"github.com/relbot/relbot/internal/store"
	"github.com/relbot/relbot/internal/work"
)

// Readable reports an error when a document cannot be read.
func Readable(d store.Document) error {
	known, err := memory.Readable(d)
	if known {
		return err
	}
	make, known := publish.Documents[d.Kind]
	if !known {
		return fmt.Errorf("%s %s: a kind of document that this program does not know", d.Kind, d.Key)
	}
	if err := json.Unmarshal(d.Body, make()); err != nil {
		return fmt.Errorf("%s %s: %w", d.Kind, d.Key, err)
	}
	return nil
}

// Counted are the kinds of documents of which people like to know how many there are, each with a noun and what follows it.
var Counted = []struct{ Kind, Name, More string }{{memory.KindRepo, "repository", ""}, {memory.KindPull, "pull request", ""}, {memory.KindJudgement, "coupling", ""}, {memory.KindComment, "comment", " with commands"}}

// Installed reports whether a database knows a repository on which an App is or was installed.
func Installed(ctx context.Context, s Store) (bool, error) {
	docs, err := s.List(ctx, memory.KindRepo, "")
	return len(docs) > 0, err
}

// said are the documents that hold what people said, and since when things stand: GitHub does not have them, or not whole.
var said = []string{memory.KindOverlay, memory.KindOverride, memory.KindComment, memory.KindJudgement, memory.KindHistory, memory.KindReport, memory.KindPage, memory.KindTimeline, memory.KindMoved, memory.KindMention}

// queued is the work that holds what nothing else would call for again.
var queued = []string{work.KindComment, work.KindAlarm, work.KindReport}

// Kept reports whether a row of a backup is taken when it is restored. Since the backup was made relbot may have written more: what it
// remembers of GitHub is out of date and is left out, so that it looks again at everything before it writes, as after a lost database.
func Kept(table, kind string) bool {
	switch table {
	case "document":
		return slices.Contains(said, kind)
	case "work":
		return slices.Contains(queued, kind)
	}
	return true
}
