#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "coordinator/store/job_store.h"
#include "tests/unit/coordinator/small_spec.h"

namespace paci {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class StoreTest : public testing::Test {
 protected:
  StoreTest() {
    folder_ = testing::TempDir() + "/store-" +
              testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    path_ = folder_ + "/paci.db";
  }
  ~StoreTest() override { fs::remove_all(folder_); }

  static StoredJob Job(uint64_t number) {
    StoredJob stored;
    stored.number = number;
    stored.request_id = "request";
    stored.settled_update = 7;
    stored.pending_commit = std::string("\0\x01", 2);
    stored.job.set_id("a-" + std::to_string(number));
    stored.job.set_state(v1::JOB_STATE_RUNNING);
    *stored.job.mutable_spec() = SmallSpec("a", 2, 10);
    return stored;
  }
  static v1::Event EventOf(const std::string& job, uint64_t sequence) {
    v1::Event event;
    event.set_sequence(sequence);
    event.set_job_id(job);
    event.set_type("Placing");
    event.set_reason("because");
    return event;
  }
  static StoredPoint Point(const std::string& job, uint64_t update, bool is_validation,
                           double loss) {
    StoredPoint stored{job, {}};
    stored.point.set_update(update);
    is_validation ? stored.point.set_validation_loss(loss) : stored.point.set_loss(loss);
    return stored;
  }
  static void ExpectRefused(const absl::StatusOr<std::unique_ptr<JobStore>>& store,
                            absl::StatusCode code, const std::string& why) {
    ASSERT_FALSE(store.ok());
    EXPECT_EQ(store.status().code(), code) << store.status();
    EXPECT_THAT(std::string(store.status().message()), HasSubstr(why));
  }

  std::string folder_;
  std::string path_;
};

TEST_F(StoreTest, GivesBackWhatWasWritten) {
  StoreWrites writes;
  writes.jobs = {Job(1), Job(2)};
  writes.events = {EventOf("a-1", 1), EventOf("a-2", 2), EventOf("a-1", 3)};
  writes.points = {Point("a-1", 1, false, 5), Point("a-1", 1, true, 6), Point("a-2", 1, false, 7)};
  ASSERT_TRUE(JobStore::Open(path_).value()->Apply(writes).ok());

  const auto store = JobStore::Open(path_).value();
  const StoreContents contents = store->Load().value();
  ASSERT_EQ(contents.jobs.size(), 2U);
  EXPECT_EQ(contents.jobs[0].job.SerializeAsString(), Job(1).job.SerializeAsString());
  EXPECT_EQ(contents.jobs[1].number, 2U);
  EXPECT_EQ(contents.jobs[1].request_id, "request");
  EXPECT_EQ(contents.jobs[1].settled_update, 7U);
  EXPECT_EQ(contents.jobs[1].pending_commit, std::string("\0\x01", 2));
  EXPECT_EQ(contents.next_job_number, 3U);
  EXPECT_EQ(contents.next_event_sequence, 4U);
  EXPECT_EQ(store->Events("a-1", 0, 10)->size(), 2U);
  EXPECT_EQ(store->Events("a-1", 1, 10)->at(0).sequence(), 3U);
  EXPECT_EQ(store->Events("a-1", 0, 1)->at(0).reason(), "because");
  EXPECT_EQ(store->Points("a-1", std::nullopt, 10)->size(), 2U);
}

TEST_F(StoreTest, APointThatIsWrittenAgainReplacesTheFirst) {
  const auto store = JobStore::Open(path_).value();
  ASSERT_TRUE(store->Apply({{}, {}, {Point("a-1", 1, false, 5)}, {}}).ok());
  ASSERT_TRUE(store->Apply({{}, {}, {Point("a-1", 1, false, 4)}, {}}).ok());
  const auto points = store->Points("a-1", std::nullopt, 10).value();
  ASSERT_EQ(points.size(), 1U);
  EXPECT_EQ(points[0].loss(), 4);
}

TEST_F(StoreTest, ACurveIsThinnedOutAndOfEventsTheNewestAreKnown) {
  const auto store = JobStore::Open(path_).value();
  StoreWrites writes;
  for (uint64_t update = 0; update <= 20; ++update) {
    writes.points.push_back(Point("a-1", update, false, 1));
    v1::Event& event = writes.events.emplace_back();
    event.set_sequence(update + 1);
    event.set_job_id(update % 2 == 0 ? "a-1" : "b-2");
  }
  ASSERT_TRUE(store->Apply(writes).ok());
  std::vector<uint64_t> updates;
  const auto sampled = store->SampledPoints("a-1", 8).value();
  for (const v1::MetricPoint& point : sampled) {
    updates.push_back(point.update());
  }
  EXPECT_EQ(updates, (std::vector<uint64_t>{0, 8, 16}));
  std::vector<uint64_t> sequences;
  const auto newest = store->LastEvents("a-1", 3).value();
  for (const v1::Event& event : newest) {
    sequences.push_back(event.sequence());
  }
  EXPECT_EQ(sequences, (std::vector<uint64_t>{17, 19, 21}));
}

TEST_F(StoreTest, OfAJobsEventsTheNewestAreKept) {
  const auto store = *JobStore::Open(path_);
  StoreWrites writes;
  for (uint64_t i = 1; i <= JobStore::kMaxEvents; ++i) writes.events.push_back(EventOf("a-1", i));
  writes.events.push_back(EventOf("b-2", JobStore::kMaxEvents + 1));
  ASSERT_TRUE(store->Apply(writes).ok());
  EXPECT_EQ(store->Events("a-1", 0, 1)->at(0).sequence(), 1);
  writes.events = {EventOf("a-1", JobStore::kMaxEvents + 2),
                   EventOf("a-1", JobStore::kMaxEvents + 3)};
  ASSERT_TRUE(store->Apply(writes).ok());
  const auto events = *store->Events("a-1", 0, 2 * JobStore::kMaxEvents);
  EXPECT_EQ(events.size(), JobStore::kMaxEvents);
  EXPECT_EQ(events.front().sequence(), 3);
  EXPECT_EQ(events.back().sequence(), JobStore::kMaxEvents + 3);
  EXPECT_EQ(store->Events("b-2", 0, 10)->size(), 1) << "of another job";
}

TEST_F(StoreTest, PagesOfPointsNeverSplitAnUpdateAndTogetherAreAllOfThem) {
  const auto store = JobStore::Open(path_).value();
  StoreWrites writes;
  for (uint64_t update = 0; update < 20; ++update) {
    if (update > 0) writes.points.push_back(Point("a-1", update, false, 1));
    if (update % 3 == 0) writes.points.push_back(Point("a-1", update, true, 1));
  }
  ASSERT_TRUE(store->Apply(writes).ok());
  std::vector<v1::MetricPoint> all;
  std::optional<uint64_t> after;
  for (;;) {
    const auto page = store->Points("a-1", after, 5).value();
    if (page.empty()) break;
    EXPECT_LE(page.size(), 5U);
    EXPECT_TRUE(!after || page.front().update() > *after);
    all.insert(all.end(), page.begin(), page.end());
    after = page.back().update();
  }
  ASSERT_EQ(all.size(), writes.points.size());
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].SerializeAsString(), writes.points[i].point.SerializeAsString());
  }
}

TEST_F(StoreTest, ATransactionThatFailsLeavesNothing) {
  const auto store = JobStore::Open(path_).value();
  ASSERT_TRUE(store->Apply({{EventOf("a-1", 1)}, {Job(1)}, {}, {}}).ok());
  StoreWrites writes;
  writes.events = {EventOf("a-2", 2)};
  writes.jobs = {Job(2), Job(3)};
  writes.jobs[1].job.set_id("a-2");  // not unique
  EXPECT_FALSE(store->Apply(writes).ok());
  EXPECT_EQ(store->Load()->jobs.size(), 1U);
  EXPECT_TRUE(store->Events("a-2", 0, 10)->empty());
  // And the store can still be written.
  writes.jobs.pop_back();
  EXPECT_TRUE(store->Apply(writes).ok());
  EXPECT_EQ(store->Load()->jobs.size(), 2U);
}

TEST_F(StoreTest, WhatWasAppliedSurvivesTheEndOfTheProcess) {
  const pid_t child = fork();
  if (child == 0) {
    const auto store = JobStore::Open(path_).value();
    const bool ok = store->Apply({{EventOf("a-1", 1)}, {Job(1)}, {}, {}}).ok();
    _exit(ok ? 0 : 1);  // nothing is closed
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  EXPECT_EQ(JobStore::Open(path_).value()->Load()->jobs.size(), 1U);
}

TEST_F(StoreTest, NumbersAreNeverUsedAgain) {
  {
    const auto store = JobStore::Open(path_).value();
    ASSERT_TRUE(
        store->Apply({{EventOf("a-5", 8)}, {Job(5)}, {Point("a-5", 1, false, 1)}, {}}).ok());
    ASSERT_TRUE(store->Apply({{}, {}, {}, {"a-5"}}).ok());
    EXPECT_TRUE(store->Events("a-5", 0, 10)->empty());
    EXPECT_TRUE(store->Points("a-5", std::nullopt, 10)->empty());
  }
  const StoreContents contents = JobStore::Open(path_).value()->Load().value();
  EXPECT_TRUE(contents.jobs.empty());
  EXPECT_EQ(contents.next_job_number, 6U);
  EXPECT_EQ(contents.next_event_sequence, 9U);
}

TEST_F(StoreTest, ASecondCoordinatorIsRefusedAndTheFirstIsNamed) {
  auto first = JobStore::Open(path_);
  ASSERT_TRUE(first.ok());
  ExpectRefused(JobStore::Open(path_), absl::StatusCode::kFailedPrecondition,
                "is used by another coordinator: process " + std::to_string(getpid()));
  first->reset();
  EXPECT_TRUE(JobStore::Open(path_).ok());
}

TEST_F(StoreTest, WhatIsNoDatabaseIsRefusedAndNotTouched) {
  const std::string text(5000, 'x');
  std::ofstream(path_) << text;
  ExpectRefused(JobStore::Open(path_), absl::StatusCode::kDataLoss, path_);
  std::ifstream in(path_);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), text);
}

TEST_F(StoreTest, ADatabaseOfAnotherProgramIsRefused) {
  ASSERT_TRUE(Database::Open(path_)->Execute("CREATE TABLE t (x)").ok());
  ExpectRefused(JobStore::Open(path_), absl::StatusCode::kFailedPrecondition,
                "is a database of another program");
}

TEST_F(StoreTest, AStoreOfANewerVersionIsRefused) {
  ASSERT_TRUE(JobStore::Open(path_).ok());
  ASSERT_TRUE(Database::Open(path_)->Execute("PRAGMA user_version = 2").ok());
  ExpectRefused(JobStore::Open(path_), absl::StatusCode::kFailedPrecondition,
                "has schema version 2, and this coordinator knows versions up to 1");
}

TEST_F(StoreTest, ADamagedStoreIsRefused) {
  {
    const auto store = JobStore::Open(path_).value();
    StoreWrites writes;
    for (uint64_t i = 1; i <= 100; ++i) writes.jobs.push_back(Job(i));
    ASSERT_TRUE(store->Apply(writes).ok());
  }
  const auto size = fs::file_size(path_);
  ASSERT_GT(size, 5 * 4096U);
  // Everything but the first page is overwritten.
  std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(4096);
  file << std::string(size - 4096, '\xee');
  file.close();
  auto store = JobStore::Open(path_);
  const absl::Status status = store.ok() ? (*store)->Load().status() : store.status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(path_));
}

TEST_F(StoreTest, AFolderThatIsNotThereIsNamed) {
  ExpectRefused(JobStore::Open(folder_ + "/no/paci.db"), absl::StatusCode::kNotFound,
                folder_ + "/no/paci.db");
  ExpectRefused(JobStore::Open(folder_), absl::StatusCode::kFailedPrecondition, "cannot be opened");
}

}  // namespace
}  // namespace paci
