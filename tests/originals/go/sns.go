// Package sns stands in for github.com/aws/aws-sdk-go-v2/service/sns: it keeps what is published.
package sns

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
)

type Options struct{}

type PublishInput struct{ TopicArn, Message *string }

type PublishOutput struct{ MessageId *string }

type Client struct{}

// Published is what was published since somebody took it; Fails is whether the topic refuses.
var (
	Published = []string{}
	Fails     bool
)

func NewFromConfig(aws.Config) *Client { return &Client{} }

func (*Client) Publish(_ context.Context, input *PublishInput, _ ...func(*Options)) (*PublishOutput, error) {
	if Fails {
		return nil, errors.New("the topic refuses")
	}
	Published = append(Published, *input.Message)
	return &PublishOutput{MessageId: aws.String("1")}, nil
}
