// TraceJob of a whole coordinator on loopback, with a worker that is a stub.
#include <gmock/gmock.h>

#include <thread>

#include "tests/unit/coordinator/service_fixture.h"

namespace paci {
namespace {

using testing::HasSubstr;

class TraceServiceTest : public ServiceTest {};

// A job of one stage that runs on `worker`; the stage's key.
v1::StageKey RunOn(StubWorker& worker) {
  EXPECT_TRUE(worker.Hello());
  EXPECT_TRUE(worker.Read().has_welcome());
  v1::StageKey key = worker.Do(v1::Command::kPrepareStage).prepare_stage().key();
  worker.Do(v1::Command::kStartStage);
  return key;
}

// The next command, with its id and, if it asks for the time, the time.
v1::Command AnswerTime(StubWorker& worker) {
  const v1::Command command = worker.Read().command();
  if (!command.has_sync_clock()) return command;
  v1::WorkerMessage answer;
  answer.mutable_result()->set_id(command.id());
  v1::ClockReading& clock = *answer.mutable_result()->mutable_clock();
  EXPECT_GT(command.sync_clock().sent_unix_nanos(), 0);
  clock.set_sent_unix_nanos(command.sync_clock().sent_unix_nanos());
  clock.set_received_unix_nanos(command.sync_clock().sent_unix_nanos());
  clock.set_answered_unix_nanos(command.sync_clock().sent_unix_nanos());
  EXPECT_TRUE(worker.Send(answer));
  return command;
}

// The command to trace, which comes after questions for the time.
v1::Command AwaitTrace(StubWorker& worker) {
  v1::Command command = AnswerTime(worker);
  while (command.has_sync_clock()) command = AnswerTime(worker);
  return command;
}

// A call of TraceJob, read on.
struct TraceStream {
  TraceStream(v1::JobService::Stub& stub, const std::string& job_id) {
    v1::TraceJobRequest request;
    request.set_job_id(job_id);
    request.set_updates(1);
    context.set_deadline(DeadlineIn(kPatience));
    reader = stub.TraceJob(&context, request);
  }
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReader<v1::StageTrace>> reader;
  v1::StageTrace next;
};

TEST_F(TraceServiceTest, ATraceIsMadeOfTheSpansThatTheWorkersSend) {
  const std::string id = Submit(SmallSpec("a", 1, 9)).id();
  TraceStream early(*jobs_, id);
  EXPECT_FALSE(early.reader->Read(&early.next));
  const grpc::Status refused = early.reader->Finish();
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(refused.error_message(),
            "job a-1 is Pending: only a job that is Running can be traced; wait until it is");

  StubWorker worker(server_->rpc_address(), "w");
  const v1::StageKey key = RunOn(worker);
  // Its answer to StartStage may still be on its way; what is Running is the job.
  TraceStream trace(*jobs_, id);
  const v1::Command command = AwaitTrace(worker);
  EXPECT_TRUE(IsSame(command.trace_stage().key(), key));
  for (int i = 0; i < 3; ++i) {
    v1::WorkerMessage part;
    part.mutable_trace()->set_command_id(command.id());
    part.mutable_trace()->mutable_trace()->set_origin_unix_nanos(5);
    for (int k = 0; k < 16384; ++k) {
      v1::Span& span = *part.mutable_trace()->mutable_trace()->add_spans();
      span.set_kind(v1::SPAN_KIND_FORWARD);
      span.set_index(16384 * i + k);
    }
    ASSERT_TRUE(worker.Send(part));
  }
  worker.Answer(command);
  // The clocks are compared again.
  for (int i = 0; i < TracingOptions().exchanges; ++i) {
    EXPECT_TRUE(AnswerTime(worker).has_sync_clock());
  }
  uint64_t spans = 0;
  while (trace.reader->Read(&trace.next)) {
    EXPECT_EQ(trace.next.worker_name(), "w");
    EXPECT_EQ(trace.next.error(), "");
    // The worker's clock stood at the moment of the question: behind by half the way there and
    // back, and that is what cannot be known of it.
    EXPECT_GT(trace.next.clock_offset_nanos(), 0);
    EXPECT_GE(trace.next.clock_error_nanos(), trace.next.clock_offset_nanos());
    for (const v1::Span& span : trace.next.spans()) ASSERT_EQ(span.index(), spans++);
  }
  EXPECT_TRUE(trace.reader->Finish().ok());
  EXPECT_EQ(spans, 3u * 16384);
}

TEST_F(TraceServiceTest, ASecondTraceOfAJobIsRefusedUntilTheCallerOfTheFirstIsGone) {
  server_.reset();
  ServerOptions options = Options();
  options.controller.tracing.exchange_patience = 10 * kPatience;
  Start(options);
  const std::string id = Submit(SmallSpec("a", 1, 9)).id();
  StubWorker worker(server_->rpc_address(), "w");
  RunOn(worker);
  TraceStream first(*jobs_, id);
  EXPECT_TRUE(worker.Read().command().has_sync_clock());
  TraceStream second(*jobs_, id);
  EXPECT_FALSE(second.reader->Read(&second.next));
  const grpc::Status refused = second.reader->Finish();
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(refused.error_message(), HasSubstr("is being traced already"));

  first.context.TryCancel();
  EXPECT_FALSE(first.reader->Finish().ok());
  // The coordinator learns of it in its own time.
  std::thread caller([&] {
    for (bool is_taken = false; !is_taken;) {
      TraceStream again(*jobs_, id);
      while (again.reader->Read(&again.next)) continue;
      is_taken = again.reader->Finish().ok();
    }
  });
  const v1::Command command = AwaitTrace(worker);
  worker.Answer(command);
  for (int i = 0; i < TracingOptions().exchanges; ++i) AnswerTime(worker);
  caller.join();
}

TEST_F(TraceServiceTest, ATraceEndsWithTheCoordinator) {
  const std::string id = Submit(SmallSpec("a", 1, 9)).id();
  StubWorker worker(server_->rpc_address(), "w");
  RunOn(worker);
  TraceStream trace(*jobs_, id);
  EXPECT_TRUE(worker.Read().command().has_sync_clock());
  server_.reset();
  EXPECT_FALSE(trace.reader->Read(&trace.next));
  EXPECT_EQ(trace.reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace paci
