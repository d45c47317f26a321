// SPDX-License-Identifier: GPL-3.0-or-later
// What a card takes and leaves beside a run's tensors, over pretended cards; and the rule by which
// a run is refused, on cards that nobody has here and on this machine.
#include "engine/device/memory.h"
#include "engine/forecast/card_room.h"
#include "engine/forecast/trained.h"
#include "engine/session/headless.h"
#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;

namespace {

constexpr std::int64_t kKiB = 1024, kMiB = 1024 * kKiB, kGiB = 1024 * kMiB;

CardFacts card(int capability, std::int64_t total, std::int64_t free, std::int64_t held = 0,
               bool context = false) {
  CardFacts facts;
  facts.name = "a card", facts.capability = capability;
  facts.total = total, facts.free = free, facts.held = held, facts.context = context;
  return facts;
}

/// A forecast of so much on a card of so much.
MemoryForecast forecast_of(std::int64_t tensors, std::int64_t available) {
  MemoryForecast forecast;
  forecast.device = "cuda:0";
  forecast.parts.weights = tensors;
  forecast.available = available;
  forecast.advice = {"training.dtype: bfloat16: 1.0 GiB", "adapter.r: 4: 2.0 GiB"};
  return forecast;
}

}  // namespace

class TestCardRoom : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { install_counting_allocator(); }

  void a_context_is_measured_where_there_is_one() {
    QCOMPARE(context_bytes(card(90, 80 * kGiB, 79 * kGiB)), kLikelyContext);
    QCOMPARE(context_bytes(card(90, 80 * kGiB, -1, 0, true)), kLikelyContext);
    QCOMPARE(context_bytes(card(90, 80 * kGiB, 70 * kGiB, 10 * kGiB - 400 * kMiB, true)),
             400 * kMiB);
    // Others work there too, or the driver's figures are not of one moment.
    QCOMPARE(context_bytes(card(90, 80 * kGiB, 30 * kGiB, kGiB, true)), kMostContext);
    QCOMPARE(context_bytes(card(90, 80 * kGiB, 80 * kGiB, kGiB, true)), kLeastContext);
  }

  void what_a_process_can_have_of_a_card() {
    QCOMPARE(available_on(card(86, 24 * kGiB, 20 * kGiB)), 20 * kGiB);
    QCOMPARE(available_on(card(86, 24 * kGiB, 20 * kGiB, 3 * kGiB, true)),
             20 * kGiB + 3 * kGiB + kGiB);
    QCOMPARE(available_on(card(86, 24 * kGiB, 12 * kGiB, 3 * kGiB, true)),
             12 * kGiB + 3 * kGiB + kMostContext);  // the rest is others'
    QCOMPARE(available_on(card(86, 24 * kGiB, -1)), std::int64_t(-1));
  }

  void cublas_takes_what_the_setting_comes_to_data() {
    QTest::addColumn<int>("capability");
    QTest::addColumn<QString>("config");
    QTest::addColumn<qlonglong>("each");
    QTest::newRow("ours") << 80 << ":4096:8" << qlonglong(32 * kMiB);
    QTest::newRow("small") << 90 << ":16:8" << qlonglong(128 * kKiB);
    QTest::newRow("two pools") << 80 << ":4096:2:16:8" << qlonglong(8 * kMiB + 128 * kKiB);
    QTest::newRow("unset, Ampere") << 80 << "" << qlonglong(8 * kMiB + 128 * kKiB);
    QTest::newRow("unset, Hopper") << 90 << "" << qlonglong(32 * kMiB);
    QTest::newRow("unset, Blackwell") << 120 << "" << qlonglong(32 * kMiB);
    QTest::newRow("unreadable") << 75 << "much" << qlonglong(8 * kMiB + 128 * kKiB);
  }
  void cublas_takes_what_the_setting_comes_to() {
    QFETCH(int, capability);
    QFETCH(QString, config);
    QFETCH(qlonglong, each);
    // The forward's thread and the backward's, each with cuBLASLt's as well.
    QCOMPARE(qlonglong(product_workspaces(card(capability, kGiB, kGiB), config.toStdString())),
             2 * (each + kMiB));
  }

  void blocks_are_laid_into_segments() {
    QCOMPARE(segment_bytes({}), std::int64_t(0));
    QCOMPARE(segment_bytes({1}), 2 * kMiB);
    QCOMPARE(segment_bytes(std::vector<std::int64_t>(4096, 512)), 2 * kMiB);
    QCOMPARE(segment_bytes(std::vector<std::int64_t>(4097, 512)), 4 * kMiB);
    QCOMPARE(segment_bytes({6 * kMiB, 6 * kMiB, 6 * kMiB}), 20 * kMiB);
    QCOMPARE(segment_bytes({6 * kMiB, 6 * kMiB, 6 * kMiB, 6 * kMiB}), 40 * kMiB);
    QCOMPARE(segment_bytes({11 * kMiB}), 12 * kMiB);
    QCOMPARE(segment_bytes({12 * kMiB}), 12 * kMiB);
    // The rest of a segment of 20 MiB does for a block that would have had one of its own.
    QCOMPARE(segment_bytes({2 * kMiB, 18 * kMiB}), 20 * kMiB);
    // A rest of 1 MiB or less goes with the block.
    QCOMPARE(segment_bytes({11 * kMiB, 1 * kMiB + 512}), 32 * kMiB);
    QCOMPARE(unused_bytes({11 * kMiB}), kMiB);
    QCOMPARE(unused_bytes({6 * kMiB, 6 * kMiB, 6 * kMiB}), 2 * kMiB);
    QCOMPARE(unused_bytes({32 * kMiB, 64 * kMiB}), std::int64_t(0));
  }

  /// A real recipe's forecast has the card's parts where it is asked about one, and they are what
  /// the functions say.
  void a_cards_parts_stand_beside_the_tensors() {
    TinyRun tiny;
    const auto summary = summarize_model(tiny.root() / "model");
    const Recipe recipe = tiny.recipe("run");
    BatchShape batch;
    batch.batch_size = 2, batch.tokens = 400, batch.labels = 100;
    batch.pictures = {2, 2, 0, 2 * 3 * 28 * 28, 8};
    StepTerms terms;
    terms.element = 2, terms.cpu = false;
    const CardFacts facts = card(90, 80 * kGiB, 79 * kGiB);
    const auto bare = estimate(*summary, recipe, batch, terms),
               on_card = estimate(*summary, recipe, batch, terms, &facts);
    QVERIFY(bare.ok() && on_card.ok());
    QCOMPARE(bare->parts.total(), bare->parts.tensors());
    const MemoryParts& parts = on_card->parts;
    QCOMPARE(parts.tensors(), bare->parts.tensors());
    QCOMPARE(parts.context, kLikelyContext);
    QVERIFY(parts.libraries > 0);
    QVERIFY(parts.fragmentation > 0 && parts.fragmentation < 64 * kMiB);
    QCOMPARE(parts.total(),
             parts.tensors() + parts.context + parts.libraries + parts.fragmentation);
    MemoryForecast forecast = forecast_of(0, 10 * kGiB);
    forecast.parts = parts;
    const Json shown = to_json(forecast);
    QCOMPARE(shown["parts"].size(), std::size_t(9));
    QCOMPARE(shown["parts"]["libraries"].get<std::int64_t>(), parts.libraries);
    forecast.parts = bare->parts;
    QCOMPARE(to_json(forecast)["parts"].size(), std::size_t(6));
    // Recorded steps have memory of their own, and a card keeps what is written down beside it.
    StepTerms twice = terms;
    twice.recorded = true;
    const auto recorded = estimate(*summary, recipe, batch, twice),
               recorded_there = estimate(*summary, recipe, batch, twice, &facts);
    QVERIFY(recorded.ok() && recorded_there.ok());
    QVERIFY(recorded->parts.activations >= bare->parts.activations);
    QVERIFY(recorded->parts.recordings > recorded->parts.workspace);
    QVERIFY(recorded->parts.total() > bare->parts.total() + recorded->parts.workspace);
    QVERIFY(recorded_there->parts.recordings > recorded->parts.recordings);
    forecast.parts = recorded->parts;
    QCOMPARE(to_json(forecast)["parts"]["recordings"].get<std::int64_t>(),
             recorded->parts.recordings);
  }

  void refuses_what_takes_more_than_its_share_of_what_is_free() {
    const Recipe recipe = with_settings({"model=m", "dataset=d", "output_dir=o"}, {});
    QVERIFY(check_room(forecast_of(95 * kGiB, 100 * kGiB), recipe).ok());
    const MemoryForecast large = forecast_of(95 * kGiB + 1, 100 * kGiB);
    QVERIFY(!large.fits());
    const Status refused = check_room(large, recipe);
    QVERIFY(!refused.ok());
    QCOMPARE(refused.error().code, ErrorCode::Machine);
    const std::string sentence = refused.error().sentence();
    for (const char* word : {"95.0 GiB", "100.0 GiB", "cuda:0", "training.dtype: bfloat16",
                             "adapter.r: 4", "training.on_low_memory: try"})
      QVERIFY2(sentence.find(word) != std::string::npos, sentence.c_str());
    const Recipe tries =
        with_settings({"model=m", "dataset=d", "output_dir=o"}, {"training.on_low_memory=try"});
    QVERIFY(check_room(large, tries).ok());
  }

  void who_cannot_know_says_so_and_lets_it_run() {
    const MemoryForecast unknown = forecast_of(500 * kGiB, available_on(card(80, 40 * kGiB, -1)));
    QVERIFY(!unknown.known() && unknown.fits());
    QVERIFY(check_room(unknown, with_settings({"model=m", "dataset=d", "output_dir=o"}, {})).ok());
    QVERIFY(unknown_room(unknown).find("cuda:0") != std::string::npos);
    QVERIFY(unknown_room(forecast_of(1, 2)).empty());
    const Json shown = to_json(unknown);
    QVERIFY(shown["available"].is_null() && shown["fits"].is_null());
  }

  /// The same rule on the CPU: nothing is written, and a person may have it tried.
  void a_run_without_room_is_refused_before_it_begins() {
    TinyModel size;
    size.hidden = 192, size.wide = 512, size.layers = 4;
    TinyRun tiny(size);
    const auto planned = plan(tiny.recipe("planned"));
    QVERIFY2(planned.ok(), planned ? "" : planned.error().sentence().c_str());
    // What it ends with: the refusal, or what LibTorch throws where memory runs out.
    const auto ends = [&](const std::string& out, const std::vector<std::string>& settings) {
      set_memory_cap(planned->parts.total() / 2);
      std::string words;
      try {
        const auto result = train_headless(tiny.recipe(out, settings), {}, {}, {});
        words = result ? "it ran" : result.error().sentence();
      } catch (const std::exception& failure) {
        words = is_out_of_memory(failure) ? "out of memory" : failure.what();
      }
      set_memory_cap(0);
      return QString::fromStdString(words);
    };
    const QString refused = ends("refused", {});
    QVERIFY2(refused.contains("training.on_low_memory"), qPrintable(refused));
    QVERIFY(!fs::exists(tiny.root() / "refused"));
    const QString tried = ends("tried", {"training.on_low_memory=try"});
    QVERIFY2(tried.contains("memory") && !tried.contains("training.on_low_memory"),
             qPrintable(tried));
    const auto enough = train_headless(tiny.recipe("enough"), {}, {}, {});
    QVERIFY2(enough.ok(), enough ? "" : enough.error().sentence().c_str());
  }
};

QTEST_GUILESS_MAIN(TestCardRoom)
#include "test_card_room.moc"
