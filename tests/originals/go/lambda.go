// Package lambda stands in for github.com/aws/aws-lambda-go/lambda: one case a line of standard input, one answer a line
// of standard output.
package lambda

import (
	"context"
	"encoding/json"
	"log"
	"os"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/sns"
)

// Case is one event and what its far sides do.
type Case struct {
	Event           events.APIGatewayProxyRequest `json:"event"`
	PublishingFails bool                          `json:"publishing_fails"`
	// What the measurement has; nil leaves the program's own stub.
	Points       []float64 `json:"points"`
	ReadingFails bool      `json:"reading_fails"`
}

// Current is the case that is being handled.
var Current Case

type Handler = func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error)

func Start(handler Handler) {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for in.More() {
		Current = Case{}
		if err := in.Decode(&Current); err != nil {
			log.Fatal(err)
		}
		sns.Published, sns.Fails = []string{}, Current.PublishingFails
		answer, err := handler(context.Background(), Current.Event)
		if err != nil {
			log.Fatal(err)
		}
		if err := out.Encode(map[string]interface{}{
			"status": answer.StatusCode, "body": answer.Body, "published": sns.Published,
		}); err != nil {
			log.Fatal(err)
		}
	}
}
