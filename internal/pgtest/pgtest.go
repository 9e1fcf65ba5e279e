// Package pgtest starts a real PostgreSQL for tests: a new cluster on a free loopback
// port, which needs a password.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/child"
)

// User and Password are those of the cluster's superuser.
const (
	User     = "postgres"
	Password = "pg-test-5ecret"
)

// Server is a PostgreSQL that runs.
type Server struct {
	Address string // host:port
	Dir     string // its data directory
	process *child.Process
	log     string
	as      *syscall.Credential
}

// Start makes a cluster, starts it, waits until it answers, and ends and removes it
// with the test. Settings are added to those of postgresql.conf, each as name=value.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	as, err := unprivileged()
	require.NoError(t, err)
	// Not t.TempDir, whose parent only its owner may enter.
	home, err := os.MkdirTemp("", "pgtest-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	if as != nil {
		require.NoError(t, os.Chown(home, int(as.Uid), int(as.Gid)))
	}
	s := &Server{Dir: filepath.Join(home, "data"), log: filepath.Join(home, "log"), as: as}
	secret := filepath.Join(home, "password")
	require.NoError(t, os.WriteFile(secret, []byte(Password), 0o644)) //nolint:gosec // the postgres user has to read it, and it guards nothing
	s.Run(t, "initdb", "--pgdata="+s.Dir, "--username="+User, "--pwfile="+secret, "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync")
	// Between the choice of a port and its use somebody else may take it.
	for range 3 {
		if s.begin(t, settings) {
			return s
		}
	}
	log, _ := os.ReadFile(s.log)
	require.FailNow(t, "PostgreSQL did not start", "%s", log)
	return nil
}

// URL is the connection string of a database for the superuser.
func (s *Server) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(User, Password), Host: s.Address, Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

// Connect opens a connection that is closed with the test.
func (s *Server) Connect(t testing.TB, database string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL(database))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// Run runs one of PostgreSQL's own programs as the user the server runs as.
func (s *Server) Run(t testing.TB, program string, args ...string) {
	t.Helper()
	path, err := find(program)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = filepath.Dir(s.Dir)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "PGPASSWORD="+Password)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// Kill ends the server at once, as a machine that fails does.
func (s *Server) Kill() {
	s.process.Kill()
	<-s.process.Done()
}

// Stop ends the server in its own way; connections are closed.
func (s *Server) Stop() {
	if _, gone := s.process.Ended(); gone {
		return
	}
	_ = syscall.Kill(s.process.PID(), syscall.SIGINT) // PostgreSQL's fast shutdown; TERM would wait for clients
	select {
	case <-s.process.Done():
	case <-time.After(20 * time.Second):
		s.Kill()
	}
}

// begin starts the server on a free port and waits until it answers; false when it ended before.
func (s *Server) begin(t testing.TB, settings []string) bool {
	t.Helper()
	path, err := find("postgres")
	require.NoError(t, err)
	s.Address = freeAddress(t)
	_, port, err := net.SplitHostPort(s.Address)
	require.NoError(t, err)
	argv := []string{path, "-D", s.Dir}
	for _, setting := range slices.Concat([]string{
		"listen_addresses=127.0.0.1", "port=" + port, "unix_socket_directories=", // no socket file: two clusters don't meet
		"fsync=off", "shared_buffers=16MB", "dynamic_shared_memory_type=mmap",
	}, settings) {
		argv = append(argv, "-c", setting)
	}
	s.process, err = child.Start(child.Command{
		Argv: argv, Env: append(os.Environ(), "LC_ALL=C.UTF-8"), Dir: filepath.Dir(s.Dir), Log: s.log, As: s.as,
	}, nil)
	require.NoError(t, err)
	t.Cleanup(s.Stop)
	answers := false
	require.Eventually(t, func() bool {
		if _, gone := s.process.Ended(); gone {
			return true
		}
		conn, err := pgx.Connect(t.Context(), s.URL("postgres"))
		if err != nil {
			return false
		}
		answers = true
		_ = conn.Close(t.Context())
		return true
	}, time.Minute, 50*time.Millisecond, "PostgreSQL does not answer")
	return answers
}

// unprivileged is the user the server runs as: PostgreSQL refuses to run as root, then
// it is the one that Debian's package makes. nil: the one of this process.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	owner, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root, and %w; install it first: make postgresql", err)
	}
	uid, err := strconv.ParseUint(owner.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(owner.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// find is one of PostgreSQL's programs: Debian keeps them apart by version, others on PATH.
func find(program string) (string, error) {
	paths, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + program)
	if len(paths) > 0 {
		slices.SortFunc(paths, func(a, b string) int { return versionOf(a) - versionOf(b) })
		return paths[len(paths)-1], nil
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return "", errors.Join(err, errors.New("install PostgreSQL first: make postgresql"))
	}
	return path, nil
}

func versionOf(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path)))) // anything else sorts first
	return n
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it does not wait
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}
