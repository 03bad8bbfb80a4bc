// Package settings reads the settings of `relbot serve`: a settings file, the environment, flags, in that order of growing strength.
//
// One table names every setting with its default and meaning; the loader, the flags, the help and the documentation
// all come from it. Every problem is reported at once, with the place it came from. Secrets are taken from files or the environment only: a
// command line can be read by every user of the machine.
//
// The library koanf was left. It merges files, environment and flags into one map, which takes 20 lines here. It keeps neither the place that a
// value came from nor the words that it does not know. Both are in every message of this package.
package settings

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/relbot/relbot/internal/nearest"
)

// FileName is the settings file of a state directory, and the one that is read when neither is named.
const FileName = "relbot.yml"

// Setting is one thing that can be set.
type Setting struct {
	Name    string // in the file; flags use dashes, the environment RELBOT_ and upper case
	Default string
	Doc     string
	Secret  bool // not settable by flag
}

// Env is the setting's environment variable.
func (s Setting) Env() string { return "RELBOT_" + strings.ToUpper(s.Name) }

// Flag is the setting's flag, without dashes in front.
func (s Setting) Flag() string { return strings.ReplaceAll(s.Name, "_", "-") }

// Table is every setting of `relbot serve`.
var Table = []Setting{
	{Name: "listen", Default: ":8080", Doc: "address for webhooks, probes and pages"},
	{Name: "public_url", Doc: "URL under which people reach this server; links in checks and notes begin with it"},
	{Name: "state", Doc: "directory of the settings that setup writes (`relbot.yml`), of key and secrets, and of the SQLite database; that of the settings file when empty"},
	{Name: "database_url", Default: "sqlite:relbot.db", Doc: "`sqlite:PATH`, or `postgres://…` for several instances; the default is in the state directory"},
	{Name: "github_api_url", Default: "https://api.github.com", Doc: "REST API, taken literally; GraphQL is `…/graphql`, or `/api/graphql` for a URL that ends in `/api/v3` (GitHub Enterprise Server); a tenant on ghe.com has `https://api.SUBDOMAIN.ghe.com`"},
	{Name: "github_app_id", Doc: "the App's id"},
	{Name: "github_private_key", Secret: true, Doc: "the App's private key: PEM, PEM with literal `\\n`, or base64 of PEM"},
	{Name: "github_private_key_file", Doc: "a file with the private key"},
	{Name: "webhook_secret", Secret: true, Doc: "webhook secrets, one a line: the newest first, older ones are still accepted"},
	{Name: "webhook_secret_file", Doc: "a file with the webhook secrets"},
	{Name: "github_client_id", Doc: "the App's client id: people sign in to the pages with GitHub, and see what GitHub lets them read"},
	{Name: "github_client_secret", Secret: true, Doc: "a client secret of the App, for signing in"},
	{Name: "github_client_secret_file", Doc: "a file with the client secret"},
	{Name: "public", Default: "false", Doc: "`true` shows the pages of public repositories to everybody, without signing in; what is private stays private"},
	{Name: "log_level", Default: "info", Doc: "`debug`, `info`, `warn` or `error`"},
	{Name: "log_format", Default: "json", Doc: "`json` or `text`"},
	{Name: "reconcile_interval", Default: "15m", Doc: "how often everything is looked at again, in case events were lost"},
	{Name: "admin_listen", Doc: "address for metrics, profiling and the job list; off when empty, and never to be public"},
	{Name: "cache", Doc: "file in which reads of GitHub that never change are kept over restarts; next to an SQLite database when empty (`relbot.db.cache`), with PostgreSQL in memory alone; it may be deleted at any time"},
	{Name: "cache_size", Default: "512", Doc: "bound of that file, in MiB"},
	{Name: "debounce", Default: "1s", Doc: "the first event of a burst is handled at once, the others together this long after it"},
	{Name: "workers", Default: "24", Doc: "how many couplings and pull requests are worked on at once"},
}

// Settings are the checked values.
type Settings struct {
	File              string // the settings file into which setup writes; it may not exist yet
	State             string // the state directory
	Listen            string
	AdminListen       string
	PublicURL         string
	DatabaseURL       string
	GitHubAPIURL      string
	AppID             int64
	PrivateKey        []byte   // PEM
	WebhookSecrets    [][]byte // newest first
	ClientID          string   // "": nobody can sign in
	ClientSecret      string
	Public            bool
	LogLevel          slog.Level
	LogFormat         string
	ReconcileInterval time.Duration
	Cache             string // path; "" is none
	CacheSize         int64  // bytes
	Debounce          time.Duration
	Workers           int

	given map[string]bool   // by file, environment or flag
	files map[string]string // what settings files say
}

// Given reports whether a setting was given by file, environment or flag.
func (s *Settings) Given(name string) bool { return s.given[name] }

// InFile returns what the settings files say of a setting, whether or not something stronger overrides it.
func (s *Settings) InFile(name string) (string, bool) {
	text, ok := s.files[name]
	return text, ok
}

// Database returns the database's URL without its password.
func (s *Settings) Database() string { return redact(s.DatabaseURL) }

// Registered reports whether the settings name an App. Where none is named at all, relbot can be set up.
func (s *Settings) Registered() bool { return s.AppID != 0 }

// Problems is everything that is wrong with the settings, each with its place.
type Problems []string

func (p Problems) Error() string { return "settings:\n  " + strings.Join(p, "\n  ") }

// value is a text and where it came from.
type value struct{ text, from string }

// preset is where a default comes from.
const preset = "default"

// Load reads settings files, the environment and the flags that were given, and checks the whole. The error lists every problem.
//
// The file at path ("" is none) is the operator's. Where a state directory is given, the file that setup wrote there is read too, and is weaker. A
// file at path may be missing only where setup would write it, and while no App is set.
func Load(path string, environ []string, flags map[string]string) (*Settings, error) {
	in := gather(path, environ, flags)
	s, problems := check(in.values, cmp.Or(path, in.written))
	s.File, s.State, s.given, s.files = in.written, in.state, map[string]bool{}, map[string]string{}
	for name, v := range in.values {
		s.given[name] = v.from != preset
	}
	for name, v := range in.files {
		s.files[name] = v.text
	}
	if in.missing && (s.Registered() || filepath.Clean(in.written) != filepath.Clean(path)) {
		problems = append(problems, noSuchFile(path))
	}
	if problems = append(problems, in.problems...); len(problems) > 0 {
		slices.Sort(problems)
		return nil, Problems(problems)
	}
	return s, nil
}

// DatabaseURL returns the database that Load would return. It checks no other value: a command that only uses the database needs no key.
func DatabaseURL(path string, environ []string, flags map[string]string) (string, error) {
	in := gather(path, environ, flags)
	if in.missing {
		in.problems = append(in.problems, noSuchFile(path))
	}
	if len(in.problems) > 0 {
		slices.Sort(in.problems)
		return "", Problems(in.problems)
	}
	return in.values["database_url"].text, nil
}

func noSuchFile(path string) string {
	return fmt.Sprintf("%s: no such file: correct the path, or leave --config out", path)
}

// gathered is what files, environment and flags say, before it is checked.
type gathered struct {
	values   map[string]value // of every setting
	files    map[string]value // what settings files say
	state    string           // the state directory
	written  string           // the file into which setup writes
	missing  bool             // the file that was named does not exist
	problems []string
}

func gather(path string, environ []string, flags map[string]string) gathered {
	in := gathered{values: map[string]value{}}
	own := map[string]value{}
	if path != "" {
		_, err := os.Stat(path)
		if in.missing = errors.Is(err, fs.ErrNotExist); !in.missing {
			in.problems = append(in.problems, readFile(path, own)...)
		}
	}
	in.files = maps.Clone(own)
	in.problems = append(in.problems, readEnvironment(environ, own)...)
	for name, text := range flags {
		own[name] = value{text, "flag --" + Setting{Name: name}.Flag()}
	}
	state := own["state"]
	in.state, in.written = state.text, cmp.Or(path, FileName)
	if in.state != "" {
		in.written = filepath.Join(in.state, FileName)
	} else {
		in.state = filepath.Dir(in.written)
	}
	if info, err := os.Stat(in.state); state.text != "" && err == nil && !info.IsDir() {
		in.problems = append(in.problems, fmt.Sprintf("%s: state: %s is not a directory", state.from, in.state))
	}
	for _, s := range Table {
		in.values[s.Name] = value{s.Default, preset}
	}
	in.values["database_url"] = value{"sqlite:" + filepath.Join(in.state, "relbot.db"), preset}
	if filepath.Clean(in.written) != filepath.Clean(path) && state.text != "" {
		if _, err := os.Stat(in.written); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) { // setup says what is in its way
			setUp := map[string]value{}
			in.problems = append(in.problems, readFile(in.written, setUp)...)
			maps.Copy(in.values, setUp)
			maps.Copy(setUp, in.files)
			in.files = setUp
		}
	}
	maps.Copy(in.values, own)
	return in
}

// readEnvironment takes over the settings of the environment.
func readEnvironment(environ []string, values map[string]value) []string {
	known := map[string]string{}
	for _, s := range Table {
		known[s.Env()] = s.Name
	}
	var problems []string
	for _, e := range environ {
		key, text, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(key, "RELBOT_") || strings.HasPrefix(key, "RELBOT_TEST_") || key == "RELBOT_CONFIG" {
			continue
		}
		name, ok := known[key]
		if !ok {
			problems = append(problems, fmt.Sprintf("environment: unknown setting %s%s", key, suggest(key, slices.Sorted(maps.Keys(known)))))
			continue
		}
		values[name] = value{text, "environment " + key}
	}
	return problems
}

// readFile takes over the settings of a YAML file: a flat mapping.
func readFile(path string, values map[string]value) []string {
	text, err := os.ReadFile(path)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			err = fmt.Errorf("%w: the user that runs relbot (uid %d) must be able to read it", err, os.Getuid())
		}
		return []string{err.Error()}
	}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return []string{fmt.Sprintf("%s: %s", path, yaml.FormatError(err, false, false))}
	}
	var problems []string
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		var pairs []*ast.MappingValueNode
		switch body := doc.Body.(type) {
		case *ast.MappingNode:
			pairs = body.Values
		case *ast.MappingValueNode:
			pairs = []*ast.MappingValueNode{body}
		case *ast.CommentGroupNode:
			continue
		default:
			return append(problems, fmt.Sprintf("%s: want a mapping of settings, found %s", path, doc.Body.Type()))
		}
		for _, p := range pairs {
			key := p.Key.GetToken()
			at := fmt.Sprintf("%s:%d:%d", path, key.Position.Line, key.Position.Column)
			i := slices.IndexFunc(Table, func(s Setting) bool { return s.Name == key.Value })
			if i < 0 {
				var known []string
				for _, s := range Table {
					known = append(known, s.Name)
				}
				problems = append(problems, fmt.Sprintf("%s: unknown setting %s%s", at, key.Value, suggest(key.Value, known)))
				continue
			}
			scalar, ok := p.Value.(ast.ScalarNode)
			if !ok {
				problems = append(problems, fmt.Sprintf("%s: %s: want one value, found %s", at, key.Value, p.Value.Type()))
				continue
			}
			v := p.Value.GetToken().Value
			switch scalar := scalar.(type) {
			case *ast.LiteralNode:
				v = scalar.Value.Value
			case *ast.NullNode:
				v = ""
			}
			values[key.Value] = value{v, at}
		}
	}
	return problems
}

// suggest names the known word that was most likely meant.
func suggest(word string, known []string) string {
	if near := nearest.Word(word, known); near != "" {
		return ": did you mean " + near + "?"
	}
	return ""
}

// check parses every value. What is missing belongs into file.
func check(values map[string]value, file string) (*Settings, []string) {
	p := &checker{values: values, file: file}
	s := &Settings{
		Listen: p.address("listen"), AdminListen: p.address("admin_listen"), PublicURL: p.url("public_url"), GitHubAPIURL: p.url("github_api_url"),
		DatabaseURL: p.database("database_url"),
	}
	if p.app() {
		s.credentials(p)
	}
	if err := s.LogLevel.UnmarshalText([]byte(p.text("log_level"))); err != nil {
		p.fail("log_level", "%q is no level: want debug, info, warn or error", p.text("log_level"))
	}
	if s.LogFormat = p.text("log_format"); s.LogFormat != "json" && s.LogFormat != "text" {
		p.fail("log_format", "%q is no format: want json or text", s.LogFormat)
	}
	s.ReconcileInterval, s.Debounce = p.duration("reconcile_interval", time.Minute), p.duration("debounce", 0)
	var err error
	if s.Public, err = strconv.ParseBool(p.text("public")); err != nil {
		p.fail("public", "%q: want true or false", p.text("public"))
	}
	s.Workers = int(p.number("workers", "number", 256))
	s.CacheSize = p.number("cache_size", "number of MiB", 1<<20) << 20
	if s.Cache = p.text("cache"); s.Cache == "" {
		if path, ok := strings.CutPrefix(s.DatabaseURL, "sqlite:"); ok && path != ":memory:" {
			s.Cache = path + ".cache"
		}
	}
	return s, p.problems
}

// checker parses values and collects what is wrong with them.
type checker struct {
	values   map[string]value
	file     string // into which missing lines belong
	problems []string
}

func (p *checker) text(name string) string { return p.values[name].text }

func (p *checker) fail(name, format string, args ...any) {
	p.problems = append(p.problems, fmt.Sprintf("%s: %s: %s", p.values[name].from, name, fmt.Sprintf(format, args...)))
}

func (p *checker) missing(name, what string) {
	p.problems = append(p.problems, fmt.Sprintf("%s: no %s: add the line %q, or set %s", p.file, what, Missing(name), Setting{Name: name}.Env()))
}

// address parses an address to listen at; "" is none.
func (p *checker) address(name string) string {
	text := p.text(name)
	if text != "" {
		if _, _, err := net.SplitHostPort(text); err != nil {
			p.fail(name, "%q is no address: want host:port or :port", text)
		}
	}
	return text
}

// url parses the URL of a host or a path; "" is none.
func (p *checker) url(name string) string {
	text := strings.TrimSuffix(p.text(name), "/")
	base, _, _ := strings.Cut(text, "#")
	base, _, _ = strings.Cut(base, "?")
	base = strings.TrimSuffix(base, "/")
	switch u, err := url.Parse(base); {
	case text == "":
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		p.fail(name, "%q is no URL: want %s", text, cmp.Or(withScheme(base), "https://host/path"))
	case text != base:
		p.fail(name, "%q has a query or fragment: want %s", text, base)
	}
	return text
}

func (p *checker) database(name string) string {
	text := p.text(name)
	if kind, rest, _ := strings.Cut(text, ":"); kind != "sqlite" && kind != "postgres" && kind != "postgresql" || rest == "" {
		p.fail(name, "%q is no database: want sqlite:PATH or postgres://USER@HOST/NAME", redact(text))
	}
	return text
}

func (p *checker) duration(name string, least time.Duration) time.Duration {
	d, err := time.ParseDuration(p.text(name))
	if err != nil || d < least {
		p.fail(name, "%q is no duration of at least %s: want 15m or 1h", p.text(name), least)
	}
	return d
}

// number parses a number from 1 to most; what says of what.
func (p *checker) number(name, what string, most int64) int64 {
	n, err := strconv.ParseInt(p.text(name), 10, 64)
	if err != nil || n < 1 || n > most {
		p.fail(name, "%q is no %s from 1 to %d", p.text(name), what, most)
	}
	return n
}

// app reports whether anything says that an App is set up. Deployments hand on environment variables that nobody set: they say nothing.
func (p *checker) app() bool {
	id := p.values["github_app_id"]
	empty := id.text == "" && id.from != preset && !strings.HasPrefix(id.from, "environment ")
	return empty || slices.ContainsFunc([]string{"github_app_id", "github_private_key", "github_private_key_file", "webhook_secret", "webhook_secret_file"},
		func(name string) bool { return p.text(name) != "" })
}

// examples are what lines of a settings file may look like.
var examples = map[string]string{
	"github_app_id": "123456", "github_private_key_file": "/path/to/app.pem", "webhook_secret_file": "/path/to/webhook-secret",
	"github_client_id": "Iv23abcdef", "github_client_secret_file": "/path/to/client-secret", "public_url": "https://relbot.example.com",
}

// Missing says which line is missing from a settings file.
func Missing(name string) string { return name + ": " + examples[name] }

// withScheme returns the URL that was most likely meant by a host without a scheme, or "".
func withScheme(text string) string {
	if u, err := url.Parse("https://" + text); err == nil && !strings.Contains(text, "://") && (strings.Contains(u.Hostname(), ".") || u.Hostname() == "localhost") {
		return u.String()
	}
	return ""
}

// credentials parses what makes the server the App.
func (s *Settings) credentials(p *checker) {
	var err error
	switch s.AppID, err = strconv.ParseInt(p.text("github_app_id"), 10, 64); {
	case p.text("github_app_id") == "" && p.values["github_app_id"].from != preset:
		p.fail("github_app_id", "is empty: want the number that the App's settings page shows")
	case p.text("github_app_id") == "":
		p.missing("github_app_id", "App id, which the App's settings page shows")
	case err != nil || s.AppID <= 0:
		p.fail("github_app_id", "%q is no App id: want the number that the App's settings page shows", p.text("github_app_id"))
	}
	key, keyName := p.secret("github_private_key")
	if keyName == "" {
		p.missing("github_private_key_file", "private key")
	} else if s.PrivateKey, err = privateKey(key); err != nil && key != nil {
		p.fail(keyName, "%v", err)
	}
	secrets, secretName := p.secret("webhook_secret")
	for line := range strings.Lines(string(secrets)) {
		if line = strings.TrimSpace(line); line != "" {
			s.WebhookSecrets = append(s.WebhookSecrets, []byte(line))
		}
	}
	if secretName == "" {
		p.missing("webhook_secret_file", "webhook secret, and there is no mode without signatures")
	} else if len(s.WebhookSecrets) == 0 && secrets != nil {
		p.fail(secretName, "no webhook secret in it: want the one that the App has at GitHub; there is no mode without signatures")
	}
	client, clientName := p.secret("github_client_secret")
	s.ClientID, s.ClientSecret = p.text("github_client_id"), strings.TrimSpace(string(client))
	switch {
	case s.ClientID != "" && clientName == "":
		p.missing("github_client_secret_file", "client secret, which signing in needs next to the client id")
	case s.ClientID != "" && s.ClientSecret == "" && client != nil:
		p.fail(clientName, "no client secret in it: want one that the App's settings page made")
	case s.ClientID == "" && s.ClientSecret != "":
		p.missing("github_client_id", "client id next to the client secret: the App's settings page shows it")
	}
	if s.ClientID != "" && s.PublicURL == "" {
		p.missing("public_url", "URL to which GitHub leads back from signing in, with /auth/callback as a callback URL of the App")
	}
}

// secret returns a secret given directly or by file, and the setting that it came from: "" when it was not given. A file that cannot be read is
// reported, and gives nil.
func (p *checker) secret(name string) ([]byte, string) {
	file := name + "_file"
	direct, path := p.text(name), p.text(file)
	switch {
	case direct != "" && path != "":
		p.fail(name, "set together with %s: give one of them", file)
		return nil, name
	case path != "":
		text, err := os.ReadFile(path)
		if err != nil {
			p.fail(file, "%v", err)
			return nil, file
		}
		return append([]byte{}, text...), file
	case direct != "":
		return []byte(direct), name
	}
	return nil, ""
}

// privateKey accepts the forms in which the App's key is usually handed around, and returns PEM.
func privateKey(text []byte) ([]byte, error) {
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return nil, errors.New("no private key in it: want the .pem that GitHub gave when the key was made")
	}
	if bytes.Contains(text, []byte(`\n`)) { // as environment files write it
		text = bytes.ReplaceAll(text, []byte(`\n`), []byte("\n"))
	}
	if !bytes.HasPrefix(text, []byte("-----")) {
		if decoded, err := base64.StdEncoding.DecodeString(string(text)); err == nil {
			text = decoded
		}
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("not a PEM file: want the .pem that GitHub gave when the key was made")
	}
	if _, err := x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
		if _, err := x509.ParsePKCS8PrivateKey(block.Bytes); err != nil {
			return nil, fmt.Errorf("PEM block %q is no RSA private key", block.Type)
		}
	}
	return append(bytes.TrimSpace(text), '\n'), nil
}

// redact hides the password of a URL.
func redact(s string) string {
	if u, err := url.Parse(s); err == nil {
		return u.Redacted()
	}
	return s
}
