package ask

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

const (
	temporalBound = "verdict pass"
	maxAddresses  = 100 // of instances that a user's own check is told
)

// askTemporal runs a workflow, or an activity by way of Switchyard's wrapper, of the
// user's own and waits for its answer. Asked again in the same round it finds the run
// of the first time. A run that is still going when the time is over is ended by its own timeout.
func (q *questions) askTemporal(ctx context.Context, name string, check spec.TemporalCheck) release.Result {
	if q.Temporal == nil {
		return unknown(temporalBound, "there is no connection to a Temporal server to ask through")
	}
	timeout := orTen(check.Timeout)
	asking, cancel := context.WithTimeout(ctx, timeout+answerGrace)
	defer cancel()
	queue, kind, input := q.fill(check.TaskQueue), q.fill(check.Workflow), any(q.asked(ctx, name, check))
	who := fmt.Sprintf("workflow %s on task queue %s", kind, queue)
	start := client.StartWorkflowOptions{
		ID: q.checkID(name), TaskQueue: queue, WorkflowExecutionTimeout: timeout,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		StaticSummary:            clip(fmt.Sprintf("check %s of %s in %s (%s)", name, q.Fleet, q.Region, q.Stage), 200),
	}
	if check.Activity != "" {
		run := release.RunActivityInput{Activity: q.fill(check.Activity), TaskQueue: queue, Timeout: timeout, Asked: input.(release.Asked)}
		who = fmt.Sprintf("activity %s on task queue %s", run.Activity, queue)
		start.TaskQueue, kind, input = q.TaskQueue, release.WorkflowRunActivity, run
	}
	run, err := q.Temporal.ExecuteWorkflow(asking, start, kind, input)
	if err != nil {
		return unknown(temporalBound, "%s could not be started: %v", who, err)
	}
	var answer converter.RawValue
	if err := run.Get(asking, &answer); err != nil {
		return judgeRun(err, who, timeout)
	}
	return judgeAnswer(answer.Payload())
}

// checkID names one time of asking. The fleet is part of it, because a proof of the
// image and the verification of the fleet are of one release and stage.
func (q *questions) checkID(check string) string {
	return strings.Join([]string{"check", q.Target.Application, q.Target.Environment, q.Release, q.Region, q.Fleet, q.Stage, check, strconv.Itoa(q.Round)}, "/")
}

// asked is what a check of the user's own is told.
func (q *questions) asked(ctx context.Context, name string, check spec.TemporalCheck) release.Asked {
	return release.Asked{
		Application: q.Target.Application, Environment: q.Target.Environment,
		Version: q.Version, Release: q.Release, Region: q.Region, Fleet: q.Fleet, Live: q.Live,
		Stage: q.Stage, Check: name, Entry: q.entry(ctx), Addresses: q.addresses(maxAddresses), Input: q.fillAll(check.Input),
	}
}

// judgeRun is the verdict on a run that did not answer. What it says itself that it
// failed with is a failure; no worker, no time, cancelled or terminated tell nothing.
func judgeRun(err error, who string, timeout time.Duration) release.Result {
	var said *temporal.ApplicationError
	var panicked *temporal.PanicError
	var late *temporal.TimeoutError
	switch {
	case errors.As(err, &said) && notRegistered(said):
		return unknown(temporalBound, "%s is not known to the worker: %s", who, said.Message())
	case errors.As(err, &said):
		return failed(temporalBound, "%s failed: %s", who, said.Message())
	case errors.As(err, &panicked):
		return failed(temporalBound, "%s panicked: %s", who, panicked.Error())
	case errors.As(err, &late), errors.Is(err, context.DeadlineExceeded):
		return unknown(temporalBound, "%s did not answer within %s; does a worker serve the queue?", who, timeout)
	}
	return unknown(temporalBound, "%s did not answer: %v", who, root(err))
}

// notRegistered says whether a worker refused an activity that it does not have. Each
// SDK says so in its own words.
func notRegistered(err *temporal.ApplicationError) bool {
	return err.Type() == "ActivityNotRegisteredError" || strings.Contains(err.Message(), "not registered")
}

// judgeAnswer is the verdict on the answer of a run: JSON of release.Answer, or nothing,
// which passes.
func judgeAnswer(payload *commonpb.Payload) release.Result {
	data := bytes.TrimSpace(payload.GetData())
	switch encoding := string(payload.GetMetadata()[converter.MetadataEncoding]); {
	case encoding == "" && len(data) == 0, encoding == converter.MetadataEncodingNil:
		return passed(temporalBound, "answered nothing")
	case !strings.HasPrefix(encoding, "json/"):
		return unknown(temporalBound, "the answer is %s, not JSON", encoding)
	case bytes.Equal(data, []byte("null")):
		return passed(temporalBound, "answered nothing")
	}
	var answer release.Answer
	if err := json.Unmarshal(data, &answer); err != nil {
		return unknown(temporalBound, "the answer is not an object with a verdict: %s", data)
	}
	if answer.Verdict == "" && !known(data) {
		return unknown(temporalBound, "the answer has no verdict, but other fields: %s", data)
	}
	r := release.Result{Verdict: answer.Verdict, Value: answer.Value, Bound: answer.Bound, Link: answer.Link}
	switch r.Verdict {
	case release.Pass, release.Fail, release.Inconclusive:
	case "":
		r.Verdict = release.Pass
	default:
		return unknown(temporalBound, "the verdict %q is none of pass, fail and inconclusive", answer.Verdict)
	}
	if r.Bound == "" {
		r.Bound = temporalBound
	}
	if r.Value == "" {
		r.Value = "answered " + string(r.Verdict)
	}
	return r
}

// known says whether every field is one of an answer: a misspelt verdict is no pass.
func known(data []byte) bool {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(&release.Answer{}) == nil
}
