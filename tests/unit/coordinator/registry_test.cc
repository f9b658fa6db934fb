#include "coordinator/job/registry.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace paci {
namespace {

v1::Hello HelloOf(const std::string& id, const std::string& name) {
  v1::Hello hello;
  hello.set_worker_id(id);
  hello.set_worker_name(name);
  hello.mutable_info()->set_device("cpu");
  return hello;
}

TEST(Registry, NamesSortAsPeopleCount) {
  std::vector<std::string> names = {"w10", "w2", "w02", "a", "w", "w2b", "w1"};
  std::stable_sort(names.begin(), names.end(),
                   [](const auto& a, const auto& b) { return ComesBefore(a, b); });
  EXPECT_EQ(names, (std::vector<std::string>{"a", "w", "w1", "w2", "w02", "w2b", "w10"}));
}

TEST(Registry, AStreamBelongsToTheWorkerThatSaidHelloOnItLast) {
  Registry registry;
  registry.Connect(1, HelloOf("id1", "w1"), absl::UnixEpoch());
  registry.Connect(2, HelloOf("id1", "w1"), absl::UnixEpoch());
  EXPECT_EQ(registry.FindByStream(1), nullptr);
  ASSERT_NE(registry.FindByStream(2), nullptr);
  EXPECT_EQ(registry.FindByStream(2)->id, "id1");
  EXPECT_EQ(registry.workers().size(), 1U);
}

TEST(Registry, ALostWorkerMakesRoomForItsSuccessorUnlessItHoldsAStage) {
  Registry registry;
  WorkerRecord& first = registry.Connect(1, HelloOf("id1", "w"), absl::UnixEpoch());
  first.holds.emplace();
  registry.Disconnect(first);
  registry.Connect(2, HelloOf("id2", "w"), absl::UnixEpoch());
  EXPECT_NE(registry.Find("id1"), nullptr);
  first.holds.reset();
  registry.Connect(3, HelloOf("id3", "w"), absl::UnixEpoch());
  EXPECT_EQ(registry.Find("id1"), nullptr);
  EXPECT_NE(registry.Find("id2"), nullptr) << "it is connected";
}

TEST(Registry, ANameThatTwoConnectedWorkersShareIsRefused) {
  Registry registry;
  registry.Connect(1, HelloOf("id1", "w"), absl::UnixEpoch());
  EXPECT_EQ(registry.FindByIdOrName("w").value()->id, "id1");
  registry.Connect(2, HelloOf("id2", "w"), absl::UnixEpoch());
  EXPECT_EQ(registry.FindByIdOrName("w").status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(registry.FindByIdOrName("id2").value()->id, "id2");
  EXPECT_EQ(registry.FindByIdOrName("x").status().code(), absl::StatusCode::kNotFound);
}

TEST(Registry, FreeAreThoseWhoHoldNothingAndStay) {
  Registry registry;
  for (const char* name : {"w10", "w2", "busy", "leaving", "releasing", "lost", "gpu"}) {
    v1::Hello hello = HelloOf(name, name);
    if (hello.worker_name() == "gpu") hello.mutable_info()->set_device("cuda");
    WorkerRecord& worker =
        registry.Connect(registry.workers().size() + 1, hello, absl::UnixEpoch());
    if (worker.name == "busy") worker.holds.emplace();
    if (worker.name == "releasing") worker.releasing.emplace();
    if (worker.name == "leaving") worker.is_leaving = true;
    if (worker.name == "lost") registry.Disconnect(worker);
  }
  std::vector<std::string> names;
  for (const WorkerRecord* worker : registry.Free("cpu")) names.push_back(worker->name);
  EXPECT_EQ(names, (std::vector<std::string>{"w2", "w10"}));
  EXPECT_EQ(registry.CountUsable("cpu"), 4U) << "with busy and releasing";
  EXPECT_EQ(registry.Free("cuda").size(), 1U);
}

}  // namespace
}  // namespace paci
