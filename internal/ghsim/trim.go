//go:build ignore

// Trim cuts GitHub's published GraphQL schema down to the types and fields that ghsim answers, with what is deprecated of them. It reads the file
// schema.graphql of the npm package @octokit/graphql-schema (15.26.1 was used):
//
//	npm pack @octokit/graphql-schema@15.26.1 && tar xzf octokit-graphql-schema-15.26.1.tgz
//	go run trim.go package/schema.graphql >schema.graphql
package main

import (
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
)

// kept holds a type a line, with its fields. Arguments, inputs and enums follow by themselves.
const kept = `
Query node nodes rateLimit repository viewer
Mutation createCheckRun enablePullRequestAutoMerge enqueuePullRequest minimizeComment unminimizeComment
EnablePullRequestAutoMergePayload clientMutationId pullRequest
EnqueuePullRequestPayload clientMutationId mergeQueueEntry
MinimizeCommentPayload clientMutationId minimizedComment
UnminimizeCommentPayload clientMutationId unminimizedComment
CreateCheckRunPayload checkRun clientMutationId
CheckRun id databaseId name status conclusion externalId checkSuite isRequired
CheckSuite id databaseId commit
RateLimit cost limit nodeCount remaining resetAt used
PageInfo endCursor hasNextPage hasPreviousPage startCursor
Node id
Actor login url
RepositoryOwner id login url
Minimizable isMinimized minimizedReason
GitObject id oid commitUrl abbreviatedOid
User id databaseId login url
Bot id databaseId login url
Organization id databaseId login url
Repository id databaseId name nameWithOwner owner url isPrivate isArchived isFork defaultBranchRef object ref refs pullRequest pullRequests mergeQueue issue issueOrPullRequest
RefConnection nodes pageInfo totalCount
Ref id name prefix target compare
Comparison aheadBy behindBy status
Commit id oid abbreviatedOid commitUrl message messageHeadline committedDate authoredDate author tree parents file history associatedPullRequests statusCheckRollup
GitActor email name date
CommitConnection nodes pageInfo totalCount
CommitHistoryConnection nodes pageInfo totalCount
Tag id oid abbreviatedOid commitUrl name message target
Tree id oid abbreviatedOid commitUrl entries
TreeEntry name path type mode oid object size
Blob id oid abbreviatedOid commitUrl byteSize isBinary isTruncated text
PullRequest id databaseId fullDatabaseId number title body url state merged closed isDraft author baseRef baseRefName baseRefOid headRef headRefName headRefOid headRepository baseRepository repository isCrossRepository mergeCommit mergedAt mergedBy closedAt createdAt updatedAt mergeable potentialMergeCommit commits comments isInMergeQueue
PullRequestConnection nodes pageInfo totalCount
PullRequestCommitConnection nodes pageInfo totalCount
PullRequestCommit id commit
IssueCommentConnection nodes pageInfo totalCount
IssueComment id databaseId fullDatabaseId body author createdAt updatedAt lastEditedAt includesCreatedEdit isMinimized minimizedReason url viewerDidAuthor
Issue id databaseId number title body url state author createdAt updatedAt closedAt comments
IssueOrPullRequest
StatusCheckRollup id state contexts
StatusCheckRollupContext
StatusCheckRollupContextConnection nodes pageInfo totalCount
StatusContext id context state isRequired
MergeQueue id entries configuration
MergeQueueConfiguration checkResponseTimeout maximumEntriesToBuild maximumEntriesToMerge mergeMethod mergingStrategy
MergeQueueEntryConnection nodes pageInfo totalCount
MergeQueueEntry id position state pullRequest headCommit baseCommit
`

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: go run trim.go SCHEMA")
	}
	f, err := os.Open(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	raw, err := io.ReadAll(f)
	if err != nil {
		log.Fatal(err)
	}
	doc, err := parser.ParseSchemas(validator.Prelude, &ast.Source{Name: os.Args[1], Input: string(raw)})
	if err != nil {
		log.Fatal(err)
	}
	for _, def := range doc.Definitions { // the published file holds two fields of EnterpriseOwnerInfo twice
		seen := map[string]bool{}
		def.Fields = slices.DeleteFunc(def.Fields, func(f *ast.FieldDefinition) bool {
			twice := seen[f.Name]
			seen[f.Name] = true
			return twice
		})
	}
	schema, err := validator.ValidateSchemaDocument(doc)
	if err != nil {
		log.Fatal(err)
	}
	trim(schema)
	fmt.Print("# Trimmed from GitHub's published schema (npm @octokit/graphql-schema, MIT licence) by trim.go. Do not edit.\n\n")
	formatter.NewFormatter(os.Stdout, formatter.WithIndent("  "), formatter.WithoutDescription()).FormatSchema(schema)
}

// deprecated keeps of a list of directives what says that something will be removed.
func deprecated(all ast.DirectiveList) ast.DirectiveList {
	return slices.DeleteFunc(all, func(d *ast.Directive) bool { return d.Name != "deprecated" })
}

func trim(schema *ast.Schema) {
	types := map[string]*ast.Definition{}
	for line := range strings.Lines(kept) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		def := schema.Types[words[0]]
		if def == nil {
			log.Fatalf("no type %s", words[0])
		}
		for _, name := range words[1:] {
			if def.Fields.ForName(name) == nil {
				log.Fatalf("no field %s.%s", def.Name, name)
			}
		}
		def.Fields = slices.DeleteFunc(def.Fields, func(f *ast.FieldDefinition) bool { return !slices.Contains(words[1:], f.Name) })
		types[def.Name] = def
	}
	// What arguments and scalar fields need.
	var need func(name string)
	need = func(name string) {
		def := schema.Types[name]
		if types[name] != nil {
			return
		}
		switch def.Kind {
		case ast.Object, ast.Interface, ast.Union:
			log.Fatalf("a kept field has type %s, which is not kept", name)
		}
		types[name] = def
		for _, f := range def.Fields {
			need(f.Type.Name())
		}
	}
	for _, def := range types {
		for _, f := range def.Fields {
			need(f.Type.Name())
			for _, a := range f.Arguments {
				need(a.Type.Name())
				a.Directives = deprecated(a.Directives)
			}
		}
	}
	for _, def := range types {
		def.Directives = nil
		def.Interfaces = slices.DeleteFunc(def.Interfaces, func(name string) bool {
			return types[name] == nil || slices.ContainsFunc(types[name].Fields, func(f *ast.FieldDefinition) bool {
				return def.Fields.ForName(f.Name) == nil
			})
		})
		def.Types = slices.DeleteFunc(def.Types, func(name string) bool { return types[name] == nil })
		for _, f := range def.Fields {
			f.Directives = deprecated(f.Directives)
		}
		for _, v := range def.EnumValues {
			v.Directives = deprecated(v.Directives)
		}
	}
	for name := range schema.Types {
		if types[name] == nil && !strings.HasPrefix(name, "__") && !schema.Types[name].BuiltIn {
			delete(schema.Types, name)
		}
	}
	schema.Directives = nil
	schema.Subscription = nil
}
