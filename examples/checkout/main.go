// Checkout is the example application that Switchyard releases: a small HTTP service
// that totals a basket. What it is stands in its image; the environment tells it where
// to listen, which instance it is, and where its database is, if it has one.
//
//	GET  /checkout?item=tea:2&item=cup:1   total of a basket; with &name=Ada+Lovelace it is ordered
//	POST /checkout {"items":[{"sku":"tea","quantity":2}],"name":"Ada Lovelace"}
//	GET  /healthz                          200 while it serves, 503 while it drains
//	GET  /version                          version, commit, schema, instance
//	GET  /metrics                          in Prometheus' text form
//
// checkout migrate create, expand or contract changes its database.
package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/time/rate"
)

// drainTime bounds how long requests in flight may take after SIGTERM.
const drainTime = 10 * time.Second

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	if err := run(log); err != nil {
		log.Error("checkout ends", "error", err.Error())
		os.Exit(1)
	}
}

func run(log *slog.Logger) error {
	stop, release := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer release()
	if len(os.Args) == 3 && os.Args[1] == "migrate" {
		return migrate(stop, os.Getenv("CHECKOUT_DATABASE"), os.Args[2], os.Stdout)
	}
	s, err := newService()
	if err != nil {
		return err
	}
	s.trouble.start()
	server := &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
	var config net.ListenConfig
	listener, err := config.Listen(context.Background(), "tcp", net.JoinHostPort(setting("HOST", "127.0.0.1"), setting("PORT", "8080")))
	if err != nil {
		return err
	}
	log.Info("checkout serves", "address", listener.Addr().String(), "version", s.build.Version, "instance", s.build.Instance)

	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-stop.Done():
	}
	// Health turns bad first; Shutdown then closes the listener and lets every
	// request that has begun come to its end.
	s.serving.Store(false)
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	log.Info("checkout has drained")
	return nil
}

// newService is the service as image and environment describe it.
func newService() (*service, error) {
	root, err := imageRoot()
	if err != nil {
		return nil, err
	}
	info, err := readBuild(root)
	if err != nil {
		return nil, err
	}
	if err := readVariable("CHECKOUT_SCHEMA", &info.Schema); err != nil {
		return nil, err
	}
	faults, err := readFaults(root)
	if err != nil {
		return nil, err
	}
	info.Instance = os.Getenv("INSTANCE_ID")
	if info.Instance == "" {
		info.Instance, _ = os.Hostname()
	}
	s := &service{build: info, trouble: &trouble{faults: faults, exit: os.Exit}, metrics: newMetrics(info)}
	var capacity int // requests a second that the instance is good for; 0: not limited
	if err := readVariable("CHECKOUT_CAPACITY", &capacity); err != nil {
		return nil, err
	}
	if capacity > 0 {
		s.capacity = rate.NewLimiter(rate.Limit(capacity), capacity)
	}
	if connection := os.Getenv("CHECKOUT_DATABASE"); connection != "" {
		if s.orders, err = openOrders(connection, info.Schema); err != nil {
			return nil, err
		}
	}
	s.serving.Store(true)
	return s, nil
}

// imageRoot is where the image's file system begins: SWITCHYARD_ROOT where the
// platform says so, otherwise the folder above the one that holds the program.
func imageRoot() (string, error) {
	if root := os.Getenv("SWITCHYARD_ROOT"); root != "" {
		return root, nil
	}
	exe, err := os.Executable()
	if err != nil {
		return "", err
	}
	return filepath.Dir(filepath.Dir(exe)), nil
}

func setting(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}
