package account_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/awslab/moto"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/platform/aws/internal/route/routetest"
)

// at is the world's account with reads that wait long enough to be shared.
func at(t *testing.T, w *routetest.World) *account.Account {
	t.Helper()
	acc, err := account.NewPool(account.Options{Gather: 300 * time.Millisecond, Attempts: 1, HTTP: w}).At(t.Context(), account.Place{Region: routetest.Region})
	require.NoError(t, err)
	return acc
}

// together runs the reads at the same time and says how many calls of the action they made.
func together(t *testing.T, w *routetest.World, action string, n int, read func(int) error) int {
	t.Helper()
	before := w.Calls(action)
	var wait sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wait.Go(func() { errs[i] = read(i) })
	}
	wait.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	return w.Calls(action) - before
}

func TestLooksOfManyReleasesShareTheirCalls(t *testing.T) {
	server, err := moto.Start(t.Context(), moto.Options{})
	require.NoError(t, err)
	t.Cleanup(server.Stop)
	w := routetest.New(t, server)
	w.Fleet("one", w.Groups[0], 2, nil)
	const many = 40
	for i := range many {
		_, err := w.Account.CloudWatch.PutMetricAlarm(t.Context(), &cloudwatch.PutMetricAlarmInput{
			AlarmName: aws.String(fmt.Sprint("alarm-", i)), Namespace: aws.String("shop"), MetricName: aws.String("errors"), Statistic: cwtypes.StatisticSum,
			Period: aws.Int32(60), EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(1), ComparisonOperator: cwtypes.ComparisonOperatorGreaterThanThreshold,
		})
		require.NoError(t, err)
	}
	a, ctx := at(t, w), t.Context()
	template := astypes.LaunchTemplateSpecification{LaunchTemplateName: aws.String("one"), Version: aws.String("1")}
	for action, read := range map[string]func(int) error{
		"DescribeAlarms":  func(i int) error { _, err := a.Alarm(ctx, fmt.Sprint("alarm-", i)); return err },
		"DescribeSubnets": func(i int) error { _, err := a.Subnets(ctx, w.Subnets[i%2]); return err },
		"DescribeLaunchTemplateVersions": func(int) error {
			data, err := a.TemplateVersion(ctx, template)
			if err == nil && aws.ToString(data.ImageId) != w.Image {
				return fmt.Errorf("its image is %q", aws.ToString(data.ImageId))
			}
			return err
		},
		"DescribeInstances": func(int) error {
			running, err := a.Running(ctx)
			if err == nil && len(running) != 2 {
				return fmt.Errorf("%d run", len(running))
			}
			return err
		},
		"GetServiceQuota":               func(int) error { _, err := a.Quota(ctx, "L-1216C47A"); return err },
		"DescribeTargetGroupAttributes": func(int) error { _, err := a.Attributes(ctx, w.Groups[0]); return err },
		"DescribeInstanceTypes":         func(int) error { _, err := a.InstanceType(ctx, "t3.micro"); return err },
	} {
		require.LessOrEqual(t, together(t, w, action, many, read), many/4, action)
	}
	for what, read := range map[string]func() error{
		"alarm":  func() error { _, err := a.Alarm(ctx, "nobody's"); return err },
		"subnet": func() error { _, err := a.Subnets(ctx, w.Subnets[0], "subnet-0123456789abcdef0"); return err },
		"version": func() error {
			template.Version = aws.String("7")
			_, err := a.TemplateVersion(ctx, template)
			return err
		},
		"template": func() error {
			template.LaunchTemplateName = aws.String("none")
			_, err := a.TemplateVersion(ctx, template)
			return err
		},
	} {
		require.Equal(t, platform.KindNotFound, platform.KindOf(read()), what)
	}
}
