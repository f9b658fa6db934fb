#include "common/rpc/lobby.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

namespace paci {
namespace {

TEST(Lobby, TheOldestOfTheCrowdMakesRoom) {
  Lobby lobby(4);
  EXPECT_EQ(lobby.Enter(1, "honest"), std::nullopt);
  EXPECT_EQ(lobby.Enter(2, "crowd"), std::nullopt);
  EXPECT_EQ(lobby.Enter(3, "crowd"), std::nullopt);
  EXPECT_EQ(lobby.Enter(4, "crowd"), std::nullopt);
  EXPECT_EQ(lobby.Enter(5, "crowd"), 2);
  EXPECT_EQ(lobby.Enter(6, "other"), 3);
  // As many of each: the one that waits longest.
  lobby.Leave(5);
  EXPECT_EQ(lobby.Enter(7, "another"), std::nullopt);
  EXPECT_EQ(lobby.Enter(8, "yet another"), 1);
}

TEST(Lobby, WhoHasLeftMakesRoomAndIsForgotten) {
  Lobby lobby(1);
  EXPECT_EQ(lobby.Enter(1, "a"), std::nullopt);
  lobby.Leave(1);
  EXPECT_EQ(lobby.Enter(2, "a"), std::nullopt);
  EXPECT_EQ(lobby.Enter(3, "b"), 2);
  lobby.Leave(2);  // had to leave already
  EXPECT_EQ(lobby.size(), 1);
}

RC_GTEST_PROP(Lobby, IsNeverFullerThanItsRoomAndNeverTurnsAwayTheNewest, ()) {
  const auto room = *rc::gen::inRange<size_t>(1, 8);
  Lobby lobby(room);
  std::set<uint64_t> inside;
  for (uint64_t id = 1; id <= 60; ++id) {
    if (!inside.empty() && *rc::gen::inRange(0, 3) == 0) {
      const uint64_t leaver = *rc::gen::elementOf(inside);
      lobby.Leave(leaver);
      inside.erase(leaver);
    }
    const bool was_full = inside.size() == room;
    const auto leaves = lobby.Enter(id, std::string(1, *rc::gen::elementOf(std::string("abc"))));
    RC_ASSERT(leaves.has_value() == was_full);
    if (leaves) RC_ASSERT(inside.erase(*leaves) == 1);
    inside.insert(id);
    RC_ASSERT(lobby.size() == inside.size());
  }
}

}  // namespace
}  // namespace paci
