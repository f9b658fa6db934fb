#include "worker/data/batch_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "absl/algorithm/container.h"
#include "tests/unit/data/token_files.h"

namespace paci {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Context 4, micro-batch 2; the token at position p of the training file is p, so that a row's
// first token says which sequence it is. Validation: two and a half sequences of 100, 101, ...
class BatchSourceTest : public ::testing::Test {
 protected:
  BatchSourceTest() {
    std::string training(4 * kSequences + 1, '\0');
    std::iota(training.begin(), training.end(), 0);
    std::string validation(11, '\0');
    std::iota(validation.begin(), validation.end(), 100);
    spec_.mutable_data()->add_train(folder_.Write("train", training));
    spec_.mutable_data()->set_validation(folder_.Write("validation", validation));
    spec_.mutable_data()->set_tokenizer(v1::TOKENIZER_BYTES);
    spec_.mutable_model()->set_context(4);
    spec_.mutable_model()->set_vocabulary(256);
    spec_.mutable_pipeline()->set_micro_batch(2);
    spec_.mutable_train()->set_seed(11);
    spec_.mutable_train()->set_eval_every(10);
    spec_.mutable_train()->set_eval_batches(3);
  }

  std::unique_ptr<BatchSource> Open() {
    auto source = BatchSource::Open(spec_);
    EXPECT_TRUE(source.ok()) << source.status();
    return *std::move(source);
  }
  // What micro-batch `k` must be, from the sample order.
  std::vector<int64_t> Expected(int64_t k) {
    const SampleOrder order(spec_.train().seed(), kSequences);
    std::vector<int64_t> batch(10);
    for (int64_t row = 0; row < 2; ++row) {
      const int64_t first = 4 * order.Sequence(2 * k + row);
      std::iota(batch.begin() + row * 5, batch.begin() + row * 5 + 5, first);
    }
    return batch;
  }

  static constexpr int64_t kSequences = 9;  // odd: an epoch ends in the middle of a micro-batch
  TestFolder folder_;
  v1::JobSpec spec_;
};

TEST_F(BatchSourceTest, FollowsTheSampleOrderAcrossEpochs) {
  const auto source = Open();
  for (int64_t k = 0; k < 40; ++k) {
    const auto batch = source->Training(k);
    ASSERT_TRUE(batch.ok()) << batch.status();
    EXPECT_EQ(std::vector<int64_t>(batch->begin(), batch->end()), Expected(k)) << k;
  }
}

TEST_F(BatchSourceTest, AnyMicroBatchMayBeAskedFor) {
  const auto source = Open();
  for (const int64_t k : {7, 7, 0, 1000000, 1000001, 3, 2, 1, 0, 8}) {
    const auto batch = source->Training(k);
    ASSERT_TRUE(batch.ok()) << batch.status();
    EXPECT_EQ(std::vector<int64_t>(batch->begin(), batch->end()), Expected(k)) << k;
  }
}

// While the next one is being read, another one is asked for, sooner or later.
TEST_F(BatchSourceTest, AJumpNeverReturnsWhatWasReadAhead) {
  constexpr int64_t kRows = 2000;
  spec_.mutable_pipeline()->set_micro_batch(kRows);
  const auto source = Open();
  const SampleOrder order(spec_.train().seed(), kSequences);
  for (int64_t i = 0; i < 200; ++i) {
    const int64_t k = 2 * i;
    const auto batch = source->Training(k);
    ASSERT_TRUE(batch.ok()) << batch.status();
    const int64_t checked = 1 + i % 20 * 100;
    for (int64_t row = 0; row < checked; ++row) {
      ASSERT_EQ((*batch)[row * 5], 4 * order.Sequence(k * kRows + row)) << k << " " << row;
    }
  }
}

TEST_F(BatchSourceTest, ABatchIsNotTouchedByWhatIsReadAhead) {
  const auto source = Open();
  const auto batch = source->Training(0);
  ASSERT_TRUE(batch.ok()) << batch.status();
  ASSERT_TRUE(source->Validation(0).ok());
  EXPECT_EQ(std::vector<int64_t>(batch->begin(), batch->end()), Expected(0));
}

TEST_F(BatchSourceTest, EveryValidationReadsTheSameFromTheStartOfTheFileAndWraps) {
  const auto source = Open();
  for (const int64_t validation : {0, 1, 5}) {
    EXPECT_THAT(*source->Validation(3 * validation),
                ElementsAre(100, 101, 102, 103, 104, 104, 105, 106, 107, 108));
    // The third sequence is not whole: the second micro-batch begins the file again.
    EXPECT_THAT(*source->Validation(3 * validation + 1),
                ElementsAre(100, 101, 102, 103, 104, 104, 105, 106, 107, 108));
  }
  spec_.mutable_pipeline()->set_micro_batch(1);
  const auto narrow = Open();
  EXPECT_THAT(*narrow->Validation(1), ElementsAre(104, 105, 106, 107, 108));
  EXPECT_THAT(*narrow->Validation(2), ElementsAre(100, 101, 102, 103, 104));
  EXPECT_THAT(*narrow->Validation(3), ElementsAre(100, 101, 102, 103, 104));
}

TEST_F(BatchSourceTest, WithoutValidationItsFileIsNotOpened) {
  spec_.mutable_train()->set_eval_every(0);
  spec_.mutable_data()->set_validation("/nowhere");
  const auto source = Open();
  EXPECT_EQ(source->Validation(0).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(source->Training(0).ok());
}

TEST_F(BatchSourceTest, AMissingFileIsAnErrorOfOpen) {
  spec_.mutable_data()->set_validation("/nowhere/validation");
  EXPECT_THAT(std::string(BatchSource::Open(spec_).status().message()),
              HasSubstr("/nowhere/validation cannot be read"));
  spec_.mutable_data()->set_train(0, "/nowhere/train");
  EXPECT_THAT(std::string(BatchSource::Open(spec_).status().message()),
              HasSubstr("/nowhere/train cannot be read"));
}

TEST_F(BatchSourceTest, ABadTokenIsAnErrorOfItsMicroBatchOnly) {
  spec_.mutable_model()->set_vocabulary(36);  // only the last token of the last sequence is beyond
  const auto source = Open();
  int errors = 0;
  for (int64_t k = 0; k < 9; ++k) {  // two epochs
    const bool is_bad = absl::c_linear_search(Expected(k), 36);
    const auto batch = source->Training(k);
    EXPECT_EQ(batch.ok(), !is_bad) << k;
    if (batch.ok()) continue;
    ++errors;
    EXPECT_EQ(batch.status().message(),
              "token 36 of " + spec_.data().train(0) +
                  " is 36; expected ids below model.vocabulary, which is 36");
    EXPECT_EQ(source->Training(k).status(), batch.status());
  }
  EXPECT_EQ(errors, 2);
  EXPECT_THAT(std::string(source->Validation(0).status().message()),
              HasSubstr("validation is 100; expected ids below"));
}

TEST_F(BatchSourceTest, CanBeDestroyedWhileItReadsAhead) {
  for (int i = 0; i < 200; ++i) {
    const auto source = Open();
    if (i % 2 == 0) {
      ASSERT_TRUE(source->Training(i).ok());
    }
  }
}

}  // namespace
}  // namespace paci
