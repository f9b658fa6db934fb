#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/rpc/deadline.h"
#include "coordinator/service/server.h"
#include "paci/v1/job.grpc.pb.h"
#include "paci/v1/worker.grpc.pb.h"
#include "tests/unit/coordinator/small_spec.h"

// What the tests of the services share: a whole coordinator on loopback, with its store, and stubs
// that play users and workers.

namespace paci {

// Long enough for any machine; nothing here waits for it to pass.
inline constexpr absl::Duration kPatience = absl::Seconds(30);

inline std::shared_ptr<grpc::Channel> Dial(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

// One stream of a worker.
class StubWorker {
 public:
  StubWorker(const std::string& address, std::string name)
      : name_(std::move(name)), stub_(v1::WorkerService::NewStub(Dial(address))) {
    context_.set_deadline(DeadlineIn(kPatience));
    stream_ = stub_->Connect(&context_);
  }
  ~StubWorker() { context_.TryCancel(); }

  bool Send(const v1::WorkerMessage& message) { return stream_->Write(message); }
  bool Hello(const v1::StageReport* running = nullptr) {
    v1::WorkerMessage message;
    message.mutable_hello()->set_worker_id("id-" + name_);
    message.mutable_hello()->set_worker_name(name_);
    message.mutable_hello()->mutable_info()->set_device("cpu");
    message.mutable_hello()->mutable_info()->set_data_address("127.0.0.1:1");
    if (running != nullptr) *message.mutable_hello()->mutable_running() = *running;
    return Send(message);
  }
  // The next message that is no acknowledgement.
  v1::CoordinatorMessage Read() {
    v1::CoordinatorMessage message;
    while (stream_->Read(&message)) {
      if (!message.has_ack()) return message;
    }
    ADD_FAILURE() << name_ << ": the stream is over: " << End().error_message();
    return {};
  }
  // Reads to the end of the stream, before which no command may come.
  grpc::Status End() {
    v1::CoordinatorMessage message;
    while (stream_->Read(&message)) {
      EXPECT_FALSE(message.has_command()) << message.ShortDebugString();
    }
    return stream_->Finish();
  }
  void Answer(const v1::Command& command) {
    v1::WorkerMessage message;
    message.mutable_result()->set_id(command.id());
    EXPECT_TRUE(Send(message));
  }
  // Reads the command and says it is done.
  v1::Command Do(v1::Command::CommandCase expected) {
    v1::Command command = Read().command();
    EXPECT_EQ(command.command_case(), expected) << name_ << ": " << command.ShortDebugString();
    Answer(command);
    return command;
  }
  void Report(const v1::StageKey& key, v1::StageState state, uint64_t updates, uint64_t points) {
    report_.set_sequence(report_.sequence() + 1);
    *report_.mutable_key() = key;
    report_.mutable_status()->set_state(state);
    report_.mutable_status()->set_updates(updates);
    report_.clear_points();
    for (uint64_t i = 1; i <= points; ++i) {
      report_.add_points()->set_update(i);
      report_.mutable_points()->rbegin()->set_loss(1);
    }
    v1::WorkerMessage message;
    *message.mutable_report() = report_;
    EXPECT_TRUE(Send(message));
  }
  const v1::StageReport& last_report() const { return report_; }

 private:
  const std::string name_;
  std::unique_ptr<v1::WorkerService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::WorkerMessage, v1::CoordinatorMessage>> stream_;
  v1::StageReport report_;
};

class ServiceTest : public testing::Test {
 protected:
  ServiceTest() {
    store_ = testing::TempDir() + "/service-" +
             testing::UnitTest::GetInstance()->current_test_info()->name() + ".db";
    RemoveStore();
    Start();
  }
  ~ServiceTest() override {
    server_.reset();
    RemoveStore();
  }
  void RemoveStore() {
    for (const char* suffix : {"", "-wal", "-shm", ".lock"})
      std::filesystem::remove(store_ + suffix);
  }
  ServerOptions Options() {
    ServerOptions options;
    options.listen = "127.0.0.1:0";
    options.store = store_;
    options.controller.lease = kPatience;
    options.controller.make_secret = [] { return "secret"; };
    options.on_fatal = [](const absl::Status& why) { ADD_FAILURE() << why; };
    return options;
  }
  void Start() { Start(Options()); }
  void Start(const ServerOptions& options) {
    server_ = Server::Start(options).value();
    const auto channel = Dial(server_->rpc_address());
    jobs_ = v1::JobService::NewStub(channel);
    cluster_ = v1::ClusterService::NewStub(channel);
  }
  template <typename Stub, typename Request, typename Response>
  grpc::Status Call(const std::unique_ptr<Stub>& stub,
                    grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response) {
    grpc::ClientContext context;
    context.set_deadline(DeadlineIn(kPatience));
    return (*stub.*method)(&context, request, response);
  }
  v1::Job Submit(const v1::JobSpec& spec, const std::string& request_id = "") {
    v1::SubmitJobRequest request;
    *request.mutable_spec() = spec;
    request.set_request_id(request_id);
    v1::Job job;
    const grpc::Status status = Call(jobs_, &v1::JobService::Stub::SubmitJob, request, &job);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return job;
  }
  grpc::Status TrySubmit(const v1::SubmitJobRequest& request) {
    v1::Job job;
    return Call(jobs_, &v1::JobService::Stub::SubmitJob, request, &job);
  }
  v1::Job Get(const std::string& id) {
    v1::GetJobRequest request;
    request.set_job_id(id);
    v1::Job job;
    const grpc::Status status = Call(jobs_, &v1::JobService::Stub::GetJob, request, &job);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return job;
  }
  grpc::Status Cancel(const std::string& id) {
    v1::CancelJobRequest request;
    request.set_job_id(id);
    v1::Job job;
    return Call(jobs_, &v1::JobService::Stub::CancelJob, request, &job);
  }
  std::vector<v1::Worker> Workers() {
    v1::ListWorkersResponse response;
    EXPECT_TRUE(Call(cluster_, &v1::ClusterService::Stub::ListWorkers, {}, &response).ok());
    return {response.workers().begin(), response.workers().end()};
  }
  // A stream of WatchJob, read on.
  struct Watch {
    Watch(v1::JobService::Stub& stub, const std::string& id, double interval) {
      v1::WatchJobRequest request;
      request.set_job_id(id);
      request.set_min_interval_seconds(interval);
      context.set_deadline(DeadlineIn(kPatience));
      reader = stub.WatchJob(&context, request);
    }
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::Job>> reader;
  };

  std::string store_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<v1::JobService::Stub> jobs_;
  std::unique_ptr<v1::ClusterService::Stub> cluster_;
};

}  // namespace paci
