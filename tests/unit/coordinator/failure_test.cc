#include "coordinator/job/failure.h"

#include <gtest/gtest.h>

#include "coordinator/job/cut_text.h"

namespace paci {
namespace {

using enum FailureKind;

std::vector<FailureCause> Causes(std::initializer_list<FailureCause> list) {
  std::vector<FailureCause> causes;
  for (const FailureCause& cause : list) AddCause(cause, causes);
  return causes;
}

TEST(Failure, ANeighboursEndIsNoErrorOfTheStage) {
  for (const char* error :
       {"UNAVAILABLE: x", "CANCELLED: x", "ABORTED: x", "DEADLINE_EXCEEDED: x"}) {
    EXPECT_EQ(ClassifyError(error), kConsequence) << error;
  }
  for (const char* error : {"INTERNAL: x", "OUT_OF_RANGE: UNAVAILABLE: x", "", "UNAVAILABLE"}) {
    EXPECT_EQ(ClassifyError(error), kOwnError) << error;
  }
}

TEST(Failure, OfOneStagesCausesTheMostTellingIsKeptWhateverTheOrder) {
  const FailureCause own{kOwnError, 1, "w", "own"};
  const FailureCause lost{kWorkerLost, 1, "w", "lost"};
  const FailureCause consequence{kConsequence, 1, "w", "consequence"};
  EXPECT_EQ(Causes({consequence, lost, own})[0].what, "own");
  EXPECT_EQ(Causes({own, lost, consequence})[0].what, "own");
  EXPECT_EQ(Causes({consequence, lost})[0].what, "lost");
  EXPECT_EQ(Causes({consequence, own, lost}).size(), 1U);
}

TEST(Failure, OnlyConsequencesLeaveTheCauseOpen) {
  EXPECT_FALSE(IsConclusive(Causes({{kConsequence, 0, "a", ""}, {kConsequence, 1, "b", ""}})));
  EXPECT_TRUE(IsConclusive(Causes({{kConsequence, 0, "a", ""}, {kWorkerLost, 1, "b", ""}})));
  EXPECT_TRUE(IsConclusive(Causes({{kOwnError, 0, "a", ""}})));
}

TEST(Failure, TheSentenceNamesTheCauseAndCountsTheRest) {
  EXPECT_EQ(DescribeFailure(Causes({{kConsequence, 0, "a", "peer gone"},
                                    {kOwnError, 1, "b", "token 300"},
                                    {kConsequence, 2, "c", "peer gone"}})),
            "stage 1 on worker b failed: token 300; 2 other stages ended with it");
  EXPECT_EQ(DescribeFailure(Causes({{kWorkerLost, 0, "a", "silent"},
                                    {kWorkerLost, 1, "b", "silent"},
                                    {kConsequence, 2, "c", "peer gone"}})),
            "stage 0 on worker a was lost: silent; stage 1 on worker b was lost: silent; 1 other "
            "stage ended with it");
  EXPECT_EQ(DescribeFailure(Causes({{kConsequence, 3, "d", "peer gone"}})),
            "stage 3 on worker d failed: peer gone");
}

TEST(Failure, ManyLostWorkersDoNotMakeASentenceOfPages) {
  std::vector<FailureCause> causes;
  for (uint32_t i = 0; i < 1000; ++i) AddCause({kWorkerLost, i, "w", "silent"}, causes);
  const std::string sentence = DescribeFailure(causes);
  EXPECT_LT(sentence.size(), 300U);
  EXPECT_NE(sentence.find("996 other stages"), std::string::npos) << sentence;
}

TEST(CutText, IsDoneToAllThatAWorkerSaysOfItsStage) {
  const std::string text(3 * kMaxTextBytes, 'x');
  v1::StageStatus status;
  CutTexts(status);
  EXPECT_FALSE(status.has_training_data());
  status.set_error(text);
  status.set_poison(text);
  status.mutable_training_data()->set_checksum(text);
  status.mutable_validation_data()->set_checksum(text);
  CutTexts(status);
  for (const std::string& cut : {status.error(), status.poison(), status.training_data().checksum(),
                                 status.validation_data().checksum()}) {
    EXPECT_EQ(cut.size(), kMaxTextBytes);
  }
}

TEST(CutText, KeepsWholeCharacters) {
  EXPECT_EQ(CutText("short"), "short");
  EXPECT_EQ(CutText(std::string(kMaxTextBytes, 'x')), std::string(kMaxTextBytes, 'x'));
  for (size_t lead = 0; lead < 4; ++lead) {
    std::string text(lead, 'x');
    while (text.size() < 2 * kMaxTextBytes) text += "\xe2\x82\xac";  // a euro sign
    const std::string cut = CutText(text);
    EXPECT_LE(cut.size(), kMaxTextBytes);
    EXPECT_EQ((cut.size() - lead - 3) % 3, 0U) << lead;
    EXPECT_EQ(cut.substr(cut.size() - 3), "...");
  }
}

}  // namespace
}  // namespace paci
