// SPDX-License-Identifier: GPL-3.0-or-later
// The window's own arithmetic: thinning, smoothing, percentiles, figures as text, modules as a
// selector.
#include <QtTest>
#include <cmath>
#include <map>

#include "ui/format.h"
#include "ui/model/module_tree_model.h"
#include "ui/run_series.h"

using namespace luthier;

class TestPieces : public QObject {
  Q_OBJECT

 private slots:
  void thinning_keeps_peaks_and_bounds();
  void every_column_keeps_its_peaks();
  void smoothing_starts_unbiased();
  void percentiles();
  void figures();
  void selectors();
};

void TestPieces::thinning_keeps_peaks_and_bounds() {
  QVector<double> x, y;
  for (int i = 0; i < 100000; ++i) {
    x << i;
    y << std::sin(i * 0.01);
  }
  y[54321] = 99;
  y[777] = std::nan("");
  const CurveView whole{0, 99999, 500};
  const Points points = thinned(x, y, whole);
  QVERIFY(points.x.size() > 900 && points.x.size() <= 1002);
  QVERIFY(points.y.contains(99));
  QVERIFY(std::is_sorted(points.x.begin(), points.x.end()));
  for (const double value : points.y) QVERIFY(std::isfinite(value));
  QCOMPARE(thinned({1, 2, 3}, {4, 5, 6}, {1, 3, 500}).x.size(), 3);
  QVERIFY(thinned({}, {}, whole).x.isEmpty());
  // Of a part all that is there, and the points that the lines at its borders go to.
  QCOMPARE(thinned(x, y, {1000, 1003.5, 500}).x,
           QVector<double>({999, 1000, 1001, 1002, 1003, 1004}));
}

/// Every column has its lowest and its highest point, wherever the view begins and however unevenly
/// the points lie: half of these lie in a hundredth of the axis.
void TestPieces::every_column_keeps_its_peaks() {
  constexpr int kPoints = 20000, kColumns = 300;
  QVector<double> x, y;
  for (int i = 0; i < kPoints; ++i) {
    x << (i < kPoints / 2 ? i * 1e-4 : 1 + (i - kPoints / 2) * 1e-2);
    y << std::fmod(std::abs(std::sin(i * 12.9898)) * 43758.5453, 1.0);
  }
  for (const auto& [lower, upper] :
       {std::pair(3e-5, 101.00003), std::pair(0.30003, 0.90003), std::pair(50.00003, 90.00003)}) {
    const Points points = thinned(x, y, {lower, upper, kColumns});
    QVERIFY(points.x.size() <= 2 * kColumns + 4);
    const auto peaks = [begin = lower, end = upper](const QVector<double>& at,
                                                    const QVector<double>& of) {
      const double width = (end - begin) / kColumns;
      std::map<int, std::pair<double, double>> columns;
      for (qsizetype i = 0; i < at.size(); ++i) {
        if (at[i] < begin || at[i] > end) continue;
        const int column = static_cast<int>((at[i] - begin) / width);
        auto& [low, high] = columns.try_emplace(column, of[i], of[i]).first->second;
        low = std::min(low, of[i]);
        high = std::max(high, of[i]);
      }
      return columns;
    };
    QVERIFY(peaks(points.x, points.y) == peaks(x, y));
  }
}

void TestPieces::smoothing_starts_unbiased() {
  const QVector<double> flat(50, 3.5);
  for (const double value : smoothed(flat, 0.95)) QVERIFY(std::abs(value - 3.5) < 1e-12);
  const QVector<double> raw{1, 2, 3};
  QCOMPARE(smoothed(raw, 0), raw);
}

void TestPieces::percentiles() {
  QVector<double> values;
  for (int i = 0; i <= 100; ++i) values << i;
  values << std::nan("");
  QCOMPARE(percentile(values, 0.99), 99.0);
  QCOMPARE(percentile({}, 0.5), 0.0);
}

void TestPieces::figures() {
  QCOMPARE(bytes_text(512), QStringLiteral("512 B"));
  QCOMPARE(bytes_text(std::int64_t{212} << 20), QStringLiteral("212 MiB"));
  QCOMPARE(bytes_text(static_cast<std::int64_t>(12.6 * (1 << 30))), QStringLiteral("12.6 GiB"));
  QCOMPARE(count_text(3'100'000), QStringLiteral("3.1 M"));
  QCOMPARE(grouped_text(412160), QStringLiteral("412,160"));
  QCOMPARE(number_text(0.00025, 4), QStringLiteral("0.00025"));
  QCOMPARE(number_text(18610.4, 4), QStringLiteral("18,610"));
  QCOMPARE(number_text(2e12, 4), QStringLiteral("2e+12"));
  QCOMPARE(duration_text(41), QStringLiteral("00:41"));
  QCOMPARE(duration_text(3723), QStringLiteral("1:02:03"));
  QCOMPARE(duration_text(std::nan("")), QStringLiteral("–"));
  QCOMPARE(model_name("/x/teaching/base"), QStringLiteral("teaching-base"));
  QCOMPARE(model_name("/h/models--org--name/snapshots/abc"), QStringLiteral("org/name"));
}

void TestPieces::selectors() {
  ModelSummary summary;
  for (const char* name : {"tower.layers.0.q_proj", "decoder.layers.0.q_proj",
                           "decoder.layers.1.q_proj", "decoder.layers.0.v_proj", "lm_head"})
    summary.modules.push_back({name, "Linear", {4, 4}, "F32", 16, "language_model"});
  summary.modules.push_back({"norm", "RMSNorm", {4}, "F32", 4, "language_model"});
  summary.head = "lm_head";
  QCOMPARE(selector_text(summary, {}), QStringLiteral("null"));
  QCOMPARE(selector_text(summary, {"tower.layers.0.q_proj", "decoder.layers.0.q_proj",
                                   "decoder.layers.1.q_proj", "decoder.layers.0.v_proj"}),
           QStringLiteral("all-linear"));
  QCOMPARE(selector_text(summary, {"tower.layers.0.q_proj", "decoder.layers.0.q_proj",
                                   "decoder.layers.1.q_proj"}),
           QStringLiteral("q_proj"));
  QCOMPARE(selector_text(summary, {"decoder.layers.0.q_proj", "decoder.layers.0.v_proj"}),
           QStringLiteral("decoder.layers.0.q_proj, v_proj"));
  // A convolution has the same last name: PEFT would find it too.
  for (const auto& [name, type] : {std::pair("tower.patch_embed.proj", "Conv2d"),
                                   std::pair("tower.blocks.0.attn.proj", "Linear")})
    summary.modules.push_back({name, type, {4, 4}, "F32", 16, "vision_tower"});
  QCOMPARE(selector_text(summary, {"tower.blocks.0.attn.proj"}), QStringLiteral("attn.proj"));
}

QTEST_GUILESS_MAIN(TestPieces)
#include "test_pieces.moc"
