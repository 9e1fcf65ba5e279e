package aws_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/awslab"
	"github.com/switchyard/switchyard/internal/awslab/moto"
	"github.com/switchyard/switchyard/internal/awslab/wire"
	"github.com/switchyard/switchyard/internal/child"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/starter/startertest"
)

const (
	region   = "eu-west-1"
	patience = 5 * time.Second // of the worker with one attempt of a call
)

// world is one run: an AWS account with a live fleet, a proxy on the way to it, and a
// worker that knows no other way.
type world struct {
	*bench
	t       *testing.T
	ctx     context.Context
	account string
	moto    *moto.Server
	proxy   *wire.Proxy
	target  *awslab.Target
	info    awslab.RegionInfo
	queue   string
	worker  *worker
	ofMoto  map[string]bool // snapshots that the account has from the beginning

	// Clients of the test, past the proxy.
	ec2        *ec2.Client
	groups     *autoscaling.Client
	elb        *elb.Client
	cloudwatch *cloudwatch.Client
}

// newWorld makes an account of its own: moto keeps accounts apart, and whose calls are
// whose is told by the session of the role that was assumed.
func newWorld(t *testing.T) *world {
	t.Helper()
	b := use(t)
	w := &world{bench: b, t: t, ctx: context.WithoutCancel(t.Context())}
	var err error
	// On a busy machine an answer of moto's gets lost now and then, and the call that is
	// made again finds its own effect. Then the next account does.
	for range 3 {
		if err = w.open(); err == nil {
			break
		}
	}
	require.NoError(t, err)
	w.info = w.target.Region(region)
	w.ofMoto = map[string]bool{}
	snapshots, err := w.ec2.DescribeSnapshots(w.ctx, &ec2.DescribeSnapshotsInput{OwnerIds: []string{"self"}})
	require.NoError(t, err)
	for _, s := range snapshots.Snapshots {
		w.ofMoto[*s.SnapshotId] = true
	}
	w.proxy, err = wire.New(w.moto.URL)
	require.NoError(t, err)
	t.Cleanup(w.proxy.Close)
	w.adopted()
	w.worker = w.startWorker()
	return w
}

// open takes an account that nobody has used and sets it up.
func (w *world) open() error {
	n := w.runs.Add(1)
	w.account, w.moto, w.queue = fmt.Sprintf("1%011d", n), w.bench.moto[n%motos], fmt.Sprintf("run-%04d", n)
	c := w.config()
	w.ec2, w.groups, w.elb, w.cloudwatch = ec2.NewFromConfig(c), autoscaling.NewFromConfig(c), elb.NewFromConfig(c), cloudwatch.NewFromConfig(c)
	targets, err := awslab.SetUp(w.ctx, c, awslab.TargetOptions{Port: w.port}, release.Target{Application: "checkout", Environment: w.queue})
	if err != nil {
		return err
	}
	w.target = targets[0]
	return nil
}

func (w *world) role() string { return "arn:aws:iam::" + w.account + ":role/switchyard" }

// config is that of a session of the account's role.
func (w *world) config() aws.Config {
	w.t.Helper()
	c := aws.Config{Region: region, BaseEndpoint: aws.String(w.moto.URL), Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
	out, err := sts.NewFromConfig(c).AssumeRole(w.ctx, &sts.AssumeRoleInput{RoleArn: aws.String(w.role()), RoleSessionName: aws.String("test")})
	require.NoError(w.t, err)
	c.Credentials = credentials.NewStaticCredentialsProvider(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
	return c
}

// worker keeps one worker process running until the test ends.
type worker struct {
	t    *testing.T
	argv []string
	env  []string
	dir  string

	mu     sync.Mutex
	now    *child.Process
	starts int
	ended  bool
}

func (w *world) startWorker(args ...string) *worker {
	w.t.Helper()
	program, err := startertest.Program("switchyard")
	require.NoError(w.t, err)
	dir := filepath.Join(w.dir, w.queue)
	require.NoError(w.t, os.MkdirAll(dir, 0o755))
	k := &worker{t: w.t, dir: dir, argv: append([]string{
		program, "worker", "--dir", dir, "--plugin-dir", w.plugins, "--task-queue", w.queue, "--address", w.address, "--stop-timeout", "5s",
		"--aws-poll", "200ms", "--aws-count-period", "1s", "--aws-count-delay", "1s", "--aws-spacing", "20ms", "--aws-backoff", "1s", "--aws-timeout", patience.String(),
	}, args...)}
	k.env = append(os.Environ(), "AWS_ENDPOINT_URL="+w.proxy.URL(), "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_SESSION_TOKEN=",
		"AWS_REGION="+region, "AWS_DEFAULT_REGION="+region, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_PROFILE=", "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull)
	k.launch("")
	w.t.Cleanup(k.stop)
	return k
}

// launch starts the process, again whenever it ends before its time.
func (k *worker) launch(string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ended {
		return
	}
	p, err := child.Start(child.Command{Argv: k.argv, Env: k.env, Dir: k.dir, Log: k.log()}, k.launch)
	if err != nil {
		k.t.Errorf("start the worker: %v", err)
		return
	}
	k.now = p
	k.starts++
}

func (k *worker) log() string { return filepath.Join(k.dir, "worker.log") }

// kill ends the process with SIGKILL and returns when it is gone. Another one starts.
func (k *worker) kill() {
	k.mu.Lock()
	p := k.now
	k.mu.Unlock()
	p.Kill()
	<-p.Done()
}

// count says how many processes there were.
func (k *worker) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.starts
}

func (k *worker) stop() {
	k.mu.Lock()
	k.ended = true
	p := k.now
	k.mu.Unlock()
	if p != nil {
		p.End(2 * time.Second)
	}
	if k.t.Failed() {
		if out, err := os.ReadFile(k.log()); err == nil {
			k.t.Logf("worker's log:\n%s", tail(string(out), 6000))
		}
	}
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }
