// A whole coordinator on loopback, talked to by stubs.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmath>
#include <thread>

#include "absl/synchronization/notification.h"
#include "tests/unit/coordinator/service_fixture.h"

namespace paci {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

TEST_F(ServiceTest, AJobGoesFromSubmissionToItsEndAndIsWatched) {
  StubWorker first(server_->rpc_address(), "w1");
  StubWorker second(server_->rpc_address(), "w2");
  ASSERT_TRUE(first.Hello());
  ASSERT_TRUE(second.Hello());
  EXPECT_TRUE(first.Read().has_welcome());
  EXPECT_TRUE(second.Read().has_welcome());
  const v1::Job job = Submit(SmallSpec("a", 2, 3));
  Watch watch(*jobs_, job.id(), 0.001);

  const v1::PrepareStage prepare = first.Do(v1::Command::kPrepareStage).prepare_stage();
  EXPECT_EQ(prepare.secret(), "secret");
  ASSERT_EQ(prepare.assignments_size(), 2);
  EXPECT_EQ(prepare.assignments(1).worker_id(), "id-w2");
  const v1::StageKey key2 = second.Do(v1::Command::kPrepareStage).prepare_stage().key();
  first.Do(v1::Command::kStartStage);
  second.Do(v1::Command::kStartStage);
  first.Report(prepare.key(), v1::STAGE_STATE_FINISHED, 3, 0);
  second.Report(key2, v1::STAGE_STATE_FINISHED, 3, 3);
  first.Do(v1::Command::kReleaseStage);
  second.Do(v1::Command::kReleaseStage);

  v1::Job seen;
  v1::JobState last = v1::JOB_STATE_UNSPECIFIED;
  while (watch.reader->Read(&seen)) {
    EXPECT_GE(seen.state(), last) << "states go forwards";
    last = seen.state();
  }
  EXPECT_TRUE(watch.reader->Finish().ok());
  EXPECT_EQ(last, v1::JOB_STATE_COMPLETED);
  EXPECT_EQ(seen.progress().updates(), 3U);

  v1::GetMetricsRequest metrics;
  metrics.set_job_id(job.id());
  v1::GetMetricsResponse points;
  ASSERT_TRUE(Call(jobs_, &v1::JobService::Stub::GetMetrics, metrics, &points).ok());
  EXPECT_EQ(points.points_size(), 3);
  metrics.set_after_update(2);
  ASSERT_TRUE(Call(jobs_, &v1::JobService::Stub::GetMetrics, metrics, &points).ok());
  EXPECT_EQ(points.points_size(), 1);

  v1::ListEventsRequest list;
  list.set_job_id(job.id());
  v1::ListEventsResponse events;
  ASSERT_TRUE(Call(jobs_, &v1::JobService::Stub::ListEvents, list, &events).ok());
  std::vector<std::string> types;
  for (const v1::Event& event : events.events()) types.push_back(event.type());
  EXPECT_THAT(types,
              testing::ElementsAre("Submitted", "Placing", "Preparing", "Running", "Completed"));
}

TEST_F(ServiceTest, EveryBrokenRuleOfASpecIsNamed) {
  v1::SubmitJobRequest request;
  *request.mutable_spec() = SmallSpec("a", 2, 3);
  request.mutable_spec()->mutable_optimizer()->set_lr(-1);
  request.mutable_spec()->mutable_pipeline()->set_stages(100);
  const grpc::Status status = TrySubmit(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("optimizer.lr"));
  EXPECT_THAT(status.error_message(), HasSubstr("pipeline.stages"));
}

TEST_F(ServiceTest, FieldsWithoutMeasureAreRefused) {
  v1::SubmitJobRequest request;
  *request.mutable_spec() = SmallSpec("a", 2, 3);
  request.set_request_id(std::string(65, 'x'));
  EXPECT_THAT(TrySubmit(request).error_message(),
              HasSubstr("request_id has 65 bytes; expected at most 64"));
  request.clear_request_id();
  request.mutable_spec()->mutable_data()->set_train(0, std::string(5000, 'x'));
  EXPECT_THAT(TrySubmit(request).error_message(), HasSubstr("data.train has 5000 bytes"));
  request.mutable_spec()->mutable_data()->set_train(0, std::string(1 << 20, 'x'));
  EXPECT_THAT(TrySubmit(request).error_message(), HasSubstr("spec has"));

  v1::GenerateRequest generate;
  generate.set_prompt(std::string(1 << 17, 'x'));
  v1::GenerateResponse text;
  EXPECT_THAT(Call(jobs_, &v1::JobService::Stub::Generate, generate, &text).error_message(),
              HasSubstr("prompt has 131072 bytes"));
}

TEST_F(ServiceTest, ARequestIdMakesOneJobHoweverOftenItIsSent) {
  const std::string id = Submit(SmallSpec("a", 2, 3), "r").id();
  EXPECT_EQ(Submit(SmallSpec("a", 2, 3), "r").id(), id);
  EXPECT_NE(Submit(SmallSpec("a", 2, 3)).id(), id);
}

TEST_F(ServiceTest, WhatIsNotThereIsNotFound) {
  EXPECT_EQ(Cancel("a-1").error_code(), grpc::StatusCode::NOT_FOUND);
  Watch watch(*jobs_, "a-1", 0);
  v1::Job job;
  EXPECT_FALSE(watch.reader->Read(&job));
  EXPECT_EQ(watch.reader->Finish().error_code(), grpc::StatusCode::NOT_FOUND);
  v1::DrainWorkerRequest drain;
  drain.set_worker("nobody");
  v1::Worker worker;
  EXPECT_EQ(Call(cluster_, &v1::ClusterService::Stub::DrainWorker, drain, &worker).error_code(),
            grpc::StatusCode::NOT_FOUND);
  v1::ListEventsRequest list;
  list.set_job_id("a-1");
  v1::ListEventsResponse events;
  EXPECT_EQ(Call(jobs_, &v1::JobService::Stub::ListEvents, list, &events).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST_F(ServiceTest, ALongWatchIntervalDoesNotDelayTheEnd) {
  const std::string id = Submit(SmallSpec("a", 2, 3)).id();
  Watch watch(*jobs_, id, 3600);
  v1::Job job;
  ASSERT_TRUE(watch.reader->Read(&job));
  EXPECT_EQ(job.state(), v1::JOB_STATE_PENDING);
  EXPECT_TRUE(Cancel(id).ok());
  ASSERT_TRUE(watch.reader->Read(&job));
  EXPECT_EQ(job.state(), v1::JOB_STATE_CANCELLED);
  EXPECT_FALSE(watch.reader->Read(&job));
  EXPECT_TRUE(watch.reader->Finish().ok());
}

TEST_F(ServiceTest, AWatchIntervalThatIsNoneIsRefused) {
  const std::string id = Submit(SmallSpec("a", 2, 3)).id();
  for (const double interval : {-1.0, 1e9, std::nan("")}) {
    Watch watch(*jobs_, id, interval);
    v1::Job job;
    EXPECT_FALSE(watch.reader->Read(&job));
    EXPECT_EQ(watch.reader->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
}

TEST_F(ServiceTest, GenerateWaitsForAWorkerAndNeedsACheckpoint) {
  const std::string id = Submit([] {
                           v1::JobSpec spec = SmallSpec("a", 1, 1);
                           spec.mutable_checkpoint()->set_dir("ck");
                           return spec;
                         }())
                             .id();
  v1::GenerateRequest request;
  request.set_job_id(id);
  request.set_max_tokens(1);
  v1::GenerateResponse response;
  const grpc::Status early = Call(jobs_, &v1::JobService::Stub::Generate, request, &response);
  EXPECT_EQ(early.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(early.error_message(), HasSubstr("no complete checkpoint"));

  StubWorker worker(server_->rpc_address(), "w");
  ASSERT_TRUE(worker.Hello());
  EXPECT_TRUE(worker.Read().has_welcome());
  const v1::StageKey key = worker.Do(v1::Command::kPrepareStage).prepare_stage().key();
  worker.Do(v1::Command::kStartStage);
  v1::WorkerMessage finished;
  *finished.mutable_report()->mutable_key() = key;
  finished.mutable_report()->set_sequence(1);
  finished.mutable_report()->mutable_status()->set_state(v1::STAGE_STATE_FINISHED);
  finished.mutable_report()->mutable_status()->set_updates(1);
  finished.mutable_report()->add_checkpoints()->set_update(1);
  ASSERT_TRUE(worker.Send(finished));
  worker.Do(v1::Command::kCommitCheckpoint);
  worker.Do(v1::Command::kReleaseStage);

  grpc::Status status;
  std::thread caller(
      [&] { status = Call(jobs_, &v1::JobService::Stub::Generate, request, &response); });
  const v1::Command command = worker.Read().command();
  EXPECT_EQ(command.generate_text().checkpoint(), "ck/a-1/update-00000001.g1");
  v1::WorkerMessage made;
  made.mutable_result()->set_id(command.id());
  made.mutable_result()->mutable_generated()->set_text("In the beginning");
  ASSERT_TRUE(worker.Send(made));
  caller.join();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.text(), "In the beginning");
}

TEST_F(ServiceTest, AStreamThatDoesNotBeginWithHelloIsClosed) {
  StubWorker worker(server_->rpc_address(), "w");
  v1::WorkerMessage heartbeat;
  heartbeat.mutable_heartbeat();
  ASSERT_TRUE(worker.Send(heartbeat));
  EXPECT_EQ(worker.End().error_code(), grpc::StatusCode::FAILED_PRECONDITION);

  StubWorker nameless(server_->rpc_address(), "");
  ASSERT_TRUE(nameless.Hello());
  EXPECT_EQ(nameless.End().error_code(), grpc::StatusCode::INVALID_ARGUMENT);

  StubWorker twice(server_->rpc_address(), "twice");
  ASSERT_TRUE(twice.Hello());
  EXPECT_TRUE(twice.Read().has_welcome());
  ASSERT_TRUE(twice.Hello());
  EXPECT_EQ(twice.End().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ServiceTest, OfTwoStreamsOfOneWorkerTheNewerCounts) {
  StubWorker old_stream(server_->rpc_address(), "w");
  ASSERT_TRUE(old_stream.Hello());
  EXPECT_TRUE(old_stream.Read().has_welcome());
  StubWorker new_stream(server_->rpc_address(), "w");
  ASSERT_TRUE(new_stream.Hello());
  EXPECT_TRUE(new_stream.Read().has_welcome());
  EXPECT_FALSE(old_stream.End().ok());
  const std::vector<v1::Worker> workers = Workers();
  ASSERT_EQ(workers.size(), 1U);
  EXPECT_EQ(workers[0].state(), v1::WORKER_STATE_IDLE);
}

TEST_F(ServiceTest, AJobGoesOnWhenItsCoordinatorStartsAgain) {
  auto worker = std::make_unique<StubWorker>(server_->rpc_address(), "w");
  ASSERT_TRUE(worker->Hello());
  EXPECT_TRUE(worker->Read().has_welcome());
  const std::string id = Submit(SmallSpec("a", 1, 9)).id();
  const v1::StageKey key = worker->Do(v1::Command::kPrepareStage).prepare_stage().key();
  worker->Do(v1::Command::kStartStage);
  worker->Report(key, v1::STAGE_STATE_RUNNING, 4, 4);
  Watch watch(*jobs_, id, 0.001);
  v1::Job job;
  while (job.progress().updates() < 4) ASSERT_TRUE(watch.reader->Read(&job));

  server_.reset();
  EXPECT_EQ(worker->End().error_code(), grpc::StatusCode::UNAVAILABLE);
  while (watch.reader->Read(&job)) continue;
  EXPECT_EQ(watch.reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  Start();
  EXPECT_EQ(Get(id).state(), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(Get(id).progress().updates(), 4U);

  StubWorker again(server_->rpc_address(), "w");
  v1::StageReport running = worker->last_report();
  running.set_sequence(running.sequence() + 1);
  ASSERT_TRUE(again.Hello(&running));
  const v1::CoordinatorMessage welcome = again.Read();
  EXPECT_FALSE(welcome.welcome().release_stage());
  running.set_sequence(running.sequence() + 1);
  running.mutable_status()->set_state(v1::STAGE_STATE_FINISHED);
  running.mutable_status()->set_updates(9);
  v1::WorkerMessage message;
  *message.mutable_report() = running;
  ASSERT_TRUE(again.Send(message));
  again.Do(v1::Command::kReleaseStage);
  EXPECT_EQ(Get(id).state(), v1::JOB_STATE_COMPLETED);
  EXPECT_EQ(Get(id).generation(), 1U);
}

TEST_F(ServiceTest, WhoIsConnectedDoesNotKeepItFromEnding) {
  const std::string id = Submit(SmallSpec("a", 5, 9)).id();
  StubWorker worker(server_->rpc_address(), "w");
  ASSERT_TRUE(worker.Hello());
  EXPECT_TRUE(worker.Read().has_welcome());
  StubWorker silent(server_->rpc_address(), "silent");
  Watch unread(*jobs_, id, 0.001);
  server_.reset();
  EXPECT_EQ(worker.End().error_code(), grpc::StatusCode::UNAVAILABLE);
}

// The whole answer to a GET at an address of 127.0.0.1.
std::string HttpGet(const std::string& address, const std::string& path) {
  const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (connect(descriptor, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0) {
    const std::string request =
        absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(write(descriptor, request.data(), request.size()),
              static_cast<ssize_t>(request.size()));
    char buffer[4096];
    for (ssize_t n; (n = read(descriptor, buffer, sizeof(buffer))) > 0;) answer.append(buffer, n);
  }
  close(descriptor);
  return answer;
}

TEST_F(ServiceTest, MetricsAreServedWhenAskedFor) {
  EXPECT_EQ(server_->metrics_address(), "");
  server_.reset();
  ServerOptions options = Options();
  options.metrics.listen = "127.0.0.1:0";
  Start(options);
  Submit(SmallSpec("a", 2, 3));
  const std::string answer = HttpGet(server_->metrics_address(), "/metrics");
  EXPECT_THAT(answer, HasSubstr("200 OK"));
  EXPECT_THAT(answer, HasSubstr("\npaci_job_state{job=\"a-1\",state=\"pending\"} 1\n"));
  EXPECT_THAT(answer, HasSubstr("\npaci_events_total{type=\"Submitted\"} 1\n"));
}

TEST_F(ServiceTest, AStatusPageIsServedBesideTheMetrics) {
  server_.reset();
  ServerOptions options = Options();
  options.metrics.listen = "127.0.0.1:0";
  Start(options);
  const std::string id = Submit(SmallSpec("a", 2, 3)).id();
  const auto get = [&](const std::string& path) {
    return HttpGet(server_->metrics_address(), path);
  };
  const std::string all = get("/");
  EXPECT_THAT(all, HasSubstr("200 OK"));
  EXPECT_THAT(all, HasSubstr("Content-Security-Policy: default-src 'none'"));
  EXPECT_THAT(all, HasSubstr("<h2 id=\"" + id + "\">" + id + ": Pending"));
  EXPECT_THAT(all, HasSubstr("submitted for 2 stages"));
  EXPECT_THAT(get("/jobs/" + id), HasSubstr(id + ": Pending"));
  for (const std::string path : {"/jobs/", "/jobs/none", "/jobs", "/x", "/jobs/%3Cscript%3E"}) {
    EXPECT_THAT(get(path), HasSubstr("404")) << path;
  }
}

TEST_F(ServiceTest, SubmissionsHaveARateAndRepeatedOnesAreNone) {
  server_.reset();
  ServerOptions options = Options();
  options.controller.submissions_at_once = 2;
  options.controller.submissions_per_second = 0.001;
  Start(options);
  Submit(SmallSpec("a", 2, 3), "first");
  Submit(SmallSpec("b", 2, 3), "second");
  v1::SubmitJobRequest request;
  *request.mutable_spec() = SmallSpec("c", 2, 3);
  request.set_request_id("third");
  const grpc::Status refused = TrySubmit(request);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(
      refused.error_message(),
      HasSubstr("more than 2 jobs were submitted at once, and after that 0.001 a second are "
                "taken; try again in 16m"));
  EXPECT_EQ(Submit(SmallSpec("a", 2, 3), "first").id(), "a-1");
}

TEST_F(ServiceTest, WatchersHaveALimit) {
  const std::string id = Submit(SmallSpec("a", 2, 3)).id();
  std::vector<std::unique_ptr<Watch>> watches;
  watches.reserve(1024);
  std::vector<std::unique_ptr<v1::JobService::Stub>> stubs;
  v1::Job job;
  for (int i = 0; i < 1024; ++i) {
    // A connection has no more than 128 calls.
    if (i % 128 == 0) stubs.push_back(v1::JobService::NewStub(Dial(server_->rpc_address())));
    watches.push_back(std::make_unique<Watch>(*stubs.back(), id, 0));
  }
  for (const auto& watch : watches) ASSERT_TRUE(watch->reader->Read(&job));
  Watch one_too_many(*jobs_, id, 0);
  EXPECT_FALSE(one_too_many.reader->Read(&job));
  EXPECT_EQ(one_too_many.reader->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  // One that goes away makes room.
  watches.back()->context.TryCancel();
  (void)watches.back()->reader->Finish();
  for (bool is_watched = false; !is_watched;) is_watched = Watch(*jobs_, id, 0).reader->Read(&job);
}

TEST_F(ServiceTest, NothingIsPromisedThatTheStoreCannotKeep) {
  server_.reset();
  absl::Notification fatal;
  ServerOptions options = Options();
  options.on_fatal = [&](const absl::Status&) { fatal.Notify(); };
  Start(options);
  StubWorker worker(server_->rpc_address(), "w");
  ASSERT_TRUE(worker.Hello());
  EXPECT_TRUE(worker.Read().has_welcome());
  ASSERT_TRUE(Database::Open(store_)->Execute("DROP TABLE events").ok());
  v1::SubmitJobRequest request;
  *request.mutable_spec() = SmallSpec("a", 1, 3);
  const grpc::Status status = TrySubmit(request);
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.error_message(), HasSubstr(store_));
  fatal.WaitForNotification();
  server_.reset();
  EXPECT_FALSE(worker.End().ok());
}

// A message of one string field, number 1.
grpc::ByteBuffer OneString(const std::string& text) {
  const grpc::Slice slice(std::string("\x0a") + static_cast<char>(text.size()) + text);
  return grpc::ByteBuffer(&slice, 1);
}

TEST_F(ServiceTest, StandardHealthSaysThatEachServiceServes) {
  grpc::GenericStub stub(Dial(server_->rpc_address()));
  for (const std::string name :
       {"", "paci.v1.JobService", "paci.v1.ClusterService", "paci.v1.WorkerService", "nobody"}) {
    grpc::ClientContext context;
    context.set_deadline(DeadlineIn(kPatience));
    const grpc::ByteBuffer request = OneString(name);
    grpc::ByteBuffer response;
    grpc::Status status;
    absl::Notification done;
    stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", {}, &request, &response,
                   [&](grpc::Status answered) {
                     status = std::move(answered);
                     done.Notify();
                   });
    done.WaitForNotification();
    if (name == "nobody") {
      EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
      continue;
    }
    ASSERT_TRUE(status.ok()) << name << ": " << status.error_message();
    grpc::Slice slice;
    ASSERT_TRUE(response.DumpToSingleSlice(&slice).ok());
    EXPECT_EQ(std::string(slice.begin(), slice.end()), "\x08\x01") << "SERVING";
  }
}

TEST_F(ServiceTest, ReflectionListsTheServices) {
  grpc::GenericStub stub(Dial(server_->rpc_address()));
  grpc::ClientContext context;
  context.set_deadline(DeadlineIn(kPatience));
  grpc::CompletionQueue queue;
  const auto call = stub.PrepareCall(
      &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  const auto await = [&] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  call->StartCall(nullptr);
  ASSERT_TRUE(await());
  const grpc::Slice list_services(std::string("\x3a\x01*"));  // field 7
  call->Write(grpc::ByteBuffer(&list_services, 1), nullptr);
  ASSERT_TRUE(await());
  grpc::ByteBuffer response;
  call->Read(&response, nullptr);
  ASSERT_TRUE(await());
  context.TryCancel();
  grpc::Status status;
  call->Finish(&status, nullptr);
  EXPECT_TRUE(await());
  grpc::Slice slice;
  ASSERT_TRUE(response.DumpToSingleSlice(&slice).ok());
  const std::string text(slice.begin(), slice.end());
  for (const char* name : {"paci.v1.JobService", "paci.v1.ClusterService", "paci.v1.WorkerService",
                           "grpc.health.v1.Health"}) {
    EXPECT_THAT(text, HasSubstr(name));
  }
}

TEST_F(ServiceTest, APortInUseIsNotShared) {
  ServerOptions options = Options();
  options.store = store_ + "2";
  options.listen = server_->rpc_address();
  const auto second = Server::Start(options);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().message(),
            "cannot listen on " + server_->rpc_address() + ": Address already in use");
  for (const char* suffix : {"2", "2-wal", "2-shm", "2.lock"}) fs::remove(store_ + suffix);
}

}  // namespace
}  // namespace paci
