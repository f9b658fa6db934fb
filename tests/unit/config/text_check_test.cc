#include "common/config/text_check.h"

#include <gtest/gtest.h>

#include <string>

namespace paci {
namespace {

TEST(Utf8, TakesEveryLengthUpToTheLastCharacter) {
  for (const char* text :
       {"", "plain", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
        "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_EQ(FindInvalidUtf8(text), std::nullopt) << text;
  }
}

TEST(Utf8, RefusesOverlongSurrogatesAndBeyondTheLast) {
  for (const char* text :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xc2", "\xe1\x80", "\xf1\x80\x80",
        "\xe1\x80\x41", "\xc2\x41", "\xc2\xc2"}) {
    EXPECT_EQ(FindInvalidUtf8(std::string("ok") + text), 2u);
  }
}

}  // namespace
}  // namespace paci
