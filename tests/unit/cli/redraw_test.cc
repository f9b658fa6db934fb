#include "cli/watch/redraw.h"

#include "gtest/gtest.h"

namespace paci::cli {
namespace {

TEST(Redraw, GoesBackOverWhatItDrewLast) {
  Redraw redraw;
  EXPECT_EQ(redraw.Draw("a\nb\n", {}), "a\nb\n");
  EXPECT_EQ(redraw.Draw("c\n", {}), "\x1b[2A\r\x1b[Jc\n");
  EXPECT_EQ(redraw.Draw("d\n\ne\n", {}), "\x1b[1A\r\x1b[Jd\n\ne\n");
  EXPECT_EQ(redraw.Draw("f\n", {}), "\x1b[3A\r\x1b[Jf\n");
}

TEST(Redraw, CutsLinesThatWouldWrap) {
  Redraw redraw;
  EXPECT_EQ(redraw.Draw("abcdef\n\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\n", {10, 3}),
            "abc\n\xc3\xbc\xc3\xbc\xc3\xbc\n");
}

TEST(Redraw, NeverDrawsMoreRowsThanItCanGoBackOver) {
  Redraw redraw;
  EXPECT_EQ(redraw.Draw("1\n2\n3\n4\n", {5, 80}), "1\n2\n3\n4\n");
  EXPECT_EQ(redraw.Draw("1\n2\n3\n4\n5\n6\n", {5, 80}),
            "\x1b[4A\r\x1b[J1\n2\n3\n... 3 more lines\n");
  EXPECT_EQ(redraw.Draw("1\n", {5, 80}), "\x1b[4A\r\x1b[J1\n");
}

TEST(Redraw, KeepsWhatIsDrawnWhenAsked) {
  Redraw redraw;
  redraw.Draw("a\n", {});
  redraw.Keep();
  EXPECT_EQ(redraw.Draw("b\n", {}), "b\n");
}

}  // namespace
}  // namespace paci::cli
