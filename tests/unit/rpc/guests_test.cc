#include "common/rpc/guests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace paci {
namespace {

using testing::HasSubstr;

class GuestsTest : public testing::Test {
 protected:
  absl::Status Admit(int descriptor, const std::string& address) {
    there_.insert(descriptor);
    return guests_.Admit({descriptor, 0, address}, now_);
  }

  std::set<int> there_;  // descriptors
  int looks_ = 0;
  absl::Time now_ = absl::UnixEpoch();
  Guests guests_{{.in_all = 5, .of_one_address = 3}, [this](const Guest& guest) {
                   ++looks_;
                   return there_.count(guest.descriptor) > 0;
                 }};
};

TEST_F(GuestsTest, EachAddressAndAllTogetherHaveALimit) {
  for (int i = 1; i <= 3; ++i) EXPECT_TRUE(Admit(i, "a").ok());
  const absl::Status crowded = Admit(4, "a");
  EXPECT_EQ(crowded.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(crowded.message()), HasSubstr("3 connections from a are open"));
  EXPECT_TRUE(Admit(5, "b").ok());
  EXPECT_TRUE(Admit(6, "b").ok());
  EXPECT_THAT(std::string(Admit(7, "c").message()), HasSubstr("5 connections are open"));
}

TEST_F(GuestsTest, WhoHasGoneMakesRoomWhenItIsNeeded) {
  for (int i = 1; i <= 3; ++i) EXPECT_TRUE(Admit(i, "a").ok());
  there_.erase(2);
  EXPECT_EQ(looks_, 0) << "nothing was needed";
  EXPECT_TRUE(Admit(4, "a").ok());
  EXPECT_EQ(guests_.size(), 3);
}

TEST_F(GuestsTest, ACrowdDoesNotKeepItLooking) {
  for (int i = 1; i <= 3; ++i) EXPECT_TRUE(Admit(i, "a").ok());
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(Admit(10, "a").ok());
  EXPECT_EQ(looks_, 3);
  there_.erase(1);
  EXPECT_FALSE(Admit(10, "a").ok());
  now_ += absl::Milliseconds(100);
  EXPECT_TRUE(Admit(10, "a").ok());
}

TEST(GuestLimits, LeaveDescriptorsForOtherThings) {
  EXPECT_EQ(GuestLimits::For(1024).in_all, 512);
  EXPECT_EQ(GuestLimits::For(1024).of_one_address, 64);
  EXPECT_EQ(GuestLimits::For(1 << 20).in_all, 8192);
  EXPECT_EQ(GuestLimits::For(1 << 20).of_one_address, 1024);
  EXPECT_EQ(GuestLimits::For(20).in_all, 16);
}

}  // namespace
}  // namespace paci
