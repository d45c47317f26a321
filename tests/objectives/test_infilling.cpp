// SPDX-License-Identifier: GPL-3.0-or-later
// What infilling makes of a text: nothing is lost, the parts stand in their order behind their
// tokens, shares and places come out as drawn, no row outgrows max_length, and a run goes on to the
// same bytes.
#include "tests/train/watched_run.h"

#include "engine/objectives/objective.h"

using namespace luthier;
using namespace luthier::test;

namespace {

using Ids = std::vector<TokenId>;

// Of the fixture's tokenizer: <0x01>, <0x02>, <0x03> stand for the three, texts are of others.
constexpr TokenId kPrefix = 5, kSuffix = 6, kMiddle = 7, kBegin = 1, kEnd = 2, kFirst = 300;

MicroBatch rows_of(const std::vector<int>& lengths) {
  MicroBatch rows;
  for (const int length : lengths) {
    Example example;
    example.input_ids.push_back(kBegin);
    for (int i = 0; i < length; ++i) example.input_ids.push_back(kFirst + i);
    example.labels.assign(example.input_ids.size(), 7);
    EncodedRow row;
    row.sequences.push_back(std::move(example));
    rows.rows.push_back(static_cast<std::int64_t>(rows.rows.size()));
    rows.encoded.push_back(std::move(row));
    rows.cached.emplace_back();
  }
  return rows;
}

struct Parted {
  bool parted = false, suffix_first = false;
  Ids prefix, suffix, middle;

  Ids text() const {
    Ids all = prefix;
    all.insert(all.end(), middle.begin(), middle.end());
    all.insert(all.end(), suffix.begin(), suffix.end());
    return all;
  }
};

/// A row without its first and its end token, read as the paper lays it out. In the form that shows
/// the end first, beginning and middle are one behind <middle>: where they meet cannot be seen.
Parted read(const Ids& row) {
  Parted parted;
  Ids ids(row.begin() + 1, row.end());
  if (!ids.empty() && ids.back() == kEnd) ids.pop_back();
  if (ids.empty() || ids.front() != kPrefix) {
    parted.middle = ids;
    return parted;
  }
  parted.parted = true;
  const auto suffix = std::find(ids.begin(), ids.end(), kSuffix),
             middle = std::find(ids.begin(), ids.end(), kMiddle);
  parted.prefix.assign(ids.begin() + 1, suffix);
  parted.suffix.assign(suffix + 1, middle);
  parted.middle.assign(middle + 1, ids.end());
  parted.suffix_first = suffix == ids.begin() + 1;
  return parted;
}

Ids text_of(int length) {
  Ids text;
  for (int i = 0; i < length; ++i) text.push_back(kFirst + i);
  return text;
}

}  // namespace

class TestInfilling : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    at::set_num_threads(1);
    base_ = std::make_unique<LoadedModel>(*load(tiny_.recipe("run")));
    std::string texts;
    for (int i = 0; i < 11; ++i)
      texts += Json{{"text", "It is " + std::to_string(i) + ", and then it was " +
                                 std::to_string(i * 7 % 11) + "."}}
                   .dump() +
               "\n";
    write_text(tiny_.root() / "texts.jsonl", texts);
  }

  void nothing_is_lost() {
    const std::vector<int> lengths{0, 1, 2, 3, 10, 40};
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
      const MicroBatch rows = infilled(rows_of(lengths), {"infilling.fim_rate=1"}, seed);
      for (std::size_t i = 0; i < lengths.size(); ++i) {
        const Example& example = rows.encoded[i].sequences[0];
        const Parted parted = read(example.input_ids);
        QVERIFY(parted.parted);
        QCOMPARE(parted.text(), text_of(lengths[i]));
        QCOMPARE(example.input_ids.front(), kBegin);
        QCOMPARE(example.input_ids.back(), kEnd);
        QCOMPARE(example.input_ids.size(), std::size_t(lengths[i]) + 5);
        QCOMPARE(example.labels.front(), kIgnoreLabel);
        for (std::size_t at = 1; at < example.labels.size(); ++at)
          QCOMPARE(example.labels[at], std::int64_t{example.input_ids[at]});
      }
    }
  }

  void shares_and_places_are_drawn_evenly() {
    int parted = 0, suffix_first = 0;
    std::map<std::size_t, int> begins;
    constexpr int kRows = 2000;
    for (const EncodedRow& row :
         infilled(rows_of(std::vector<int>(kRows, 9)),
                  {"infilling.fim_rate=0.6", "infilling.fim_spm_rate=0.25"}, 3)
             .encoded) {
      const Parted found = read(row.sequences[0].input_ids);
      parted += found.parted;
      suffix_first += found.parted && found.suffix_first && !found.middle.empty();
      if (found.parted && !found.suffix_first) ++begins[found.prefix.size()];
    }
    QVERIFY2(parted > 1100 && parted < 1300, qPrintable(QString::number(parted)));
    // Those of suffix first, and of the others those whose beginning is empty look like them.
    const double empty = 0.75 * (1 - 0.9 * 0.9);  // the smaller of two of ten places is the first
    const double wanted = parted * (0.25 + empty);
    QVERIFY2(std::abs(suffix_first - wanted) < 0.12 * wanted,
             qPrintable(QString("%1, wanted %2").arg(suffix_first).arg(wanted)));
    for (std::size_t place = 1; place < 9; ++place)
      QVERIFY(begins[place] > begins[place + 1] - 30);  // the smaller of two even draws
  }

  void draws_go_by_seed_and_place() {
    const auto rows = [&](std::uint64_t seed) {
      std::vector<Ids> found;
      for (const EncodedRow& row :
           infilled(rows_of({30, 30}), {"infilling.fim_rate=1"}, seed).encoded)
        found.push_back(row.sequences[0].input_ids);
      return found;
    };
    QCOMPARE(rows(3), rows(3));
    QVERIFY(rows(3) != rows(4));
    QVERIFY(rows(3)[0] != rows(3)[1]);
  }

  void no_row_outgrows_max_length() {
    bool cut = false, left = false;
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
      for (const int length : {8, 9, 10, 11}) {
        const MicroBatch rows =
            infilled(rows_of({length}), {"infilling.fim_rate=1", "training.max_length=12"}, seed);
        const Example& example = rows.encoded[0].sequences[0];
        QVERIFY(example.input_ids.size() <= 12);
        const Parted parted = read(example.input_ids);
        if (!parted.parted) {
          left = true;
          QCOMPARE(parted.middle, text_of(length));
          continue;
        }
        // What is cut is the end's end.
        const Ids text = text_of(length);
        QVERIFY(std::equal(parted.suffix.begin(), parted.suffix.end(),
                           text.end() - (length - static_cast<int>(parted.prefix.size()) -
                                         static_cast<int>(parted.middle.size()))) ||
                parted.suffix.size() < 9);
        cut = cut || parted.text().size() < text.size();
        const Ids kept = parted.text();
        QVERIFY(std::is_sorted(kept.begin(), kept.end()));
        QVERIFY(!parted.suffix.empty() || kept.size() == text.size());
      }
    }
    QVERIFY(cut && left);
    const auto objective = make({"training.max_length=12"});
    QCOMPARE(objective->lengths_used({4, 9, 11, 12}, 0).own,
             (std::vector<std::int64_t>{8, 12, 12, 12}));
  }

  /// With nothing parted it is supervised fine-tuning on every token.
  void without_parting_texts_stay() {
    const MicroBatch rows = infilled(rows_of({5}), {"infilling.fim_rate=0"}, 1);
    QCOMPARE(rows.encoded[0].sequences[0].input_ids,
             (Ids{kBegin, kFirst, kFirst + 1, kFirst + 2, kFirst + 3, kFirst + 4, kEnd}));
  }

  void what_does_not_fit_is_refused() {
    QVERIFY(make({})->fits(*base_).ok());
    const Status lacks = make({"infilling.suffix_token=<|fim_suffix|>"})->fits(*base_);
    QVERIFY(!lacks.ok());
    QCOMPARE(lacks.error().where, std::string("recipe: infilling.suffix_token"));
    QVERIFY(make({"infilling.suffix_token=<none>", "infilling.fim_rate=0"})->fits(*base_).ok());
    const Status same = check_recipe(recipe("run", {"infilling.suffix_token=<0x01>"}));
    QVERIFY(!same.ok());
    QCOMPARE(same.error().where, std::string("recipe: infilling.middle_token"));
  }

  void goes_on_to_the_same_bytes() {
    const std::vector<std::string> settings{
        "infilling.fim_rate=0.8", "eval_dataset=" + (tiny_.root() / "texts.jsonl").string(),
        "training.eval_steps=2"};
    VERIFY_OK(run(recipe("whole", settings)));
    const Recipe cut = recipe("cut", settings);
    VERIFY_OK(run(cut, {}, [](Watcher& watcher, TrainControl& control, LoadedModel&) {
      watcher.at_step = [&](std::int64_t step) {
        if (step == 4) control.stop(true);
      };
    }));
    VERIFY_OK(run(cut, tiny_.root() / "cut"));
    QVERIFY2(differences(tiny_.root() / "cut", tiny_.root() / "whole").isEmpty(),
             qPrintable(differences(tiny_.root() / "cut", tiny_.root() / "whole")));
  }

 private:
  Recipe recipe(const std::string& out, const std::vector<std::string>& settings) const {
    std::vector<std::string> all{"objective=infilling",
                                 "dataset=" + (tiny_.root() / "texts.jsonl").string(),
                                 "infilling.prefix_token=<0x01>", "infilling.suffix_token=<0x02>",
                                 "infilling.middle_token=<0x03>"};
    all.insert(all.end(), settings.begin(), settings.end());
    return tiny_.recipe(out, all);
  }
  std::unique_ptr<Objective> make(const std::vector<std::string>& settings) const {
    return make_objective(recipe("run", settings)).take();
  }
  MicroBatch infilled(MicroBatch rows, const std::vector<std::string>& settings,
                      std::uint64_t seed) {
    Policy policy(*base_, nullptr, true, nullptr);
    if (!make(settings)->roll_out(policy, rows, seed)) qFatal("not rolled out");
    return rows;
  }

  TinyRun tiny_;
  std::unique_ptr<LoadedModel> base_;
};

QTEST_GUILESS_MAIN(TestInfilling)
#include "test_infilling.moc"
