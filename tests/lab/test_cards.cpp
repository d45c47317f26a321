// SPDX-License-Identifier: GPL-3.0-or-later
// The lab's cards: their scenes, that each can be prepared and begins to train from its folder,
// that its figure is in its run's metrics, and what its batch looks like.
#include <QTemporaryDir>
#include <QtTest>

#include <fstream>
#include <set>
#include <sstream>

#include "engine/data/columns.h"
#include "engine/io/files.h"
#include "engine/lab/batch_look.h"
#include "engine/lab/card.h"
#include "engine/lab/card_files.h"
#include "engine/lab/card_world.h"
#include "engine/session/headless.h"
#include "engine/text/tokenizer.h"

using namespace luthier;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

CardOrder few(std::int64_t steps, std::uint64_t seed = 7) {
  CardOrder order;
  order.steps = steps;
  order.seed = seed;
  return order;
}

Result<CardFigure> trained(const LabCard& card, const PreparedCard& prepared) {
  LUTHIER_TRY(const auto staged, read_staged_recipe(prepared.recipe));
  if (staged) {
    LUTHIER_CHECK(train_stages_headless(*staged, prepared.run, {}, {}));
  } else {
    LUTHIER_TRY(const Recipe recipe, read_recipe(prepared.recipe));
    LUTHIER_CHECK(train_headless(recipe, prepared.run, {}, {}));
  }
  return card_figure(card, prepared);
}

}  // namespace

class TestCards : public QObject {
  Q_OBJECT
  QTemporaryDir folder_;
  fs::path root() const { return folder_.path().toStdString(); }

  PreparedCard prepared(const std::string& key, std::int64_t steps) {
    const fs::path folder = root() / (key + "-" + std::to_string(steps));
    const auto card = lab_card(key);
    if (!card) qFatal("%s", card.error().sentence().c_str());
    const auto made = prepare_card(*card, folder, few(steps));
    if (!made) qFatal("%s", made.error().sentence().c_str());
    return *made;
  }
  BatchLook look(const std::string& key, bool trained = false) {
    LookOrder order;
    order.rows = 2;
    order.trained = trained;
    const auto found = look_at_batch(prepared(key, 2), order);
    if (!found) qFatal("%s: %s", key.c_str(), found.error().sentence().c_str());
    return *found;
  }

 private slots:
  void texts_say_everything_twice() {
    const auto scenes = lab_scenes(3, false, 3000), again = lab_scenes(3, false, 3000);
    std::set<std::string> texts, held_out;
    const std::set<std::string> known(lab_words().begin(), lab_words().end());
    for (std::size_t i = 0; i < scenes.size(); ++i) {
      QCOMPARE(scenes[i].text, again[i].text);
      QVERIFY(texts.insert(scenes[i].text).second);
      const auto words = words_of(scenes[i].text);
      for (const std::string& word : words) QVERIFY2(known.contains(word), word.c_str());
      for (const SceneObject& object : scenes[i].scene.objects) {
        const std::string colour = colour_word(object.colour);
        QVERIFY(std::count(words.begin(), words.end(), colour) >= 3);
      }
    }
    for (const LabScene& scene : lab_scenes(4, true, 1000)) held_out.insert(scene.text);
    for (const std::string& text : held_out) QVERIFY2(!texts.contains(text), text.c_str());
  }

  void every_card_is_told_apart() {
    std::set<std::string> keys;
    for (const LabCard& card : lab_cards()) {
      QVERIFY(keys.insert(card.key).second);
      QVERIFY(!card.title.empty() && !card.learns.empty() && !card.look.empty());
      QVERIFY(card.goal > card.chance && card.steps > 0 && card.minutes > 0 && card.minutes <= 3);
      QVERIFY(card.write);
      QVERIFY(!fusion_name(card.place.fusion).empty() && !mask_name(card.place.mask).empty());
      QVERIFY(!mechanism_name(card.place.mechanism).empty());
      QVERIFY(!pattern_name(card.place.pattern).empty());
    }
    const auto none = lab_card("masks");
    QVERIFY(!none.ok());
    QVERIFY(none.error().hint.find("masked-words") != std::string::npos);
  }

  void a_folder_is_prepared_once() {
    const auto card = lab_card("masked-words");
    QVERIFY(card.ok());
    const fs::path folder = root() / "once";
    const auto first = prepare_card(*card, folder, few(3));
    QVERIFY(first.ok());
    const auto stamp = fs::last_write_time(folder / "train.jsonl");
    QVERIFY(prepare_card(*card, folder, few(3)).ok());
    QVERIFY(fs::last_write_time(folder / "train.jsonl") == stamp);
    QVERIFY(!prepare_card(*card, folder, few(4)).ok());
    QVERIFY(!prepare_card(*card, folder, few(3, 8)).ok());
    fs::create_directories(root() / "other");
    std::ofstream(root() / "other" / "mine.txt") << "mine";
    QVERIFY(!prepare_card(*card, root() / "other", few(3)).ok());
    // Another program's card.json is no reason to write over what stands beside it.
    fs::create_directories(root() / "theirs");
    std::ofstream(root() / "theirs" / "card.json") << "{\"name\": \"theirs\"}";
    QVERIFY(!prepare_card(*card, root() / "theirs", few(3)).ok());
    QVERIFY(!fs::exists(root() / "theirs" / "train.jsonl"));
    QVERIFY(!prepare_card(*card, fs::path(), few(3)).ok());
    // No recipe has such a seed, which is found out behind the rows.
    QVERIFY(!prepare_card(*card, root() / "unfinished", few(3, ~std::uint64_t{0})).ok());
    QVERIFY(!fs::exists(root() / "unfinished"));
    QCOMPARE(read_prepared_card(folder)->order.steps, std::int64_t{3});
    QVERIFY(!read_prepared_card(root() / "other").ok());
  }

  void cards_share_their_scenes() {
    const auto text_of = [](const PreparedCard& card) {
      const auto recipe = read_recipe(card.recipe);
      const auto rows = open_rows(*recipe, recipe->dataset);
      std::vector<std::string> texts;
      for (std::size_t i = 0; i < (*rows)->size(); ++i)
        texts.push_back((*(*rows)->row(i))["text"].get<std::string>());
      return texts;
    };
    QCOMPARE(text_of(prepared("masked-words", 2)), text_of(prepared("contrast", 2)));
    QCOMPARE(text_of(prepared("masked-words", 2)).size(), std::size_t(2 * kCardBatch));
  }

  void tokenizers_know_every_word() {
    for (const char* key : {"masked-words", "next-word", "infilling", "spans", "contrast"}) {
      const PreparedCard card = prepared(key, 2);
      const auto tokenizer = Tokenizer::load(card.recipe.parent_path() / "model");
      if (!tokenizer) QFAIL(tokenizer.error().sentence().c_str());
      const LabScene scene = lab_scenes(7, true, 1).front();
      const auto encoded = (*tokenizer)->encode(scene.text, true);
      QVERIFY(encoded.ok());
      const auto decoded = (*tokenizer)->decode(encoded->ids, /*skip_special=*/true);
      QVERIFY(decoded.ok());
      QCOMPARE(*decoded, scene.text);
    }
  }

  void every_card_trains_and_tells_its_figure() {
    for (const LabCard& card : lab_cards()) {
      const PreparedCard made = prepared(card.key, 2);
      const auto figure = trained(card, made);
      if (!figure) QFAIL((card.key + ": " + figure.error().sentence()).c_str());
      QVERIFY2(figure->value.has_value(), card.key.c_str());
      QVERIFY(figure->finished);
      QVERIFY(*figure->value >= 0 && *figure->value <= 1);
      // Again: it is finished, and stays what it is.
      const auto again = trained(card, made);
      QVERIFY(again.ok());
      QCOMPARE(*again->value, *figure->value);
    }
  }

  void who_sees_whom_is_the_models_own_mask() {
    const BatchLook encoder = look("masked-words");
    for (const LookRow& row : encoder.rows)
      for (std::size_t i = 0; i < row.size(); ++i)
        for (std::size_t j = 0; j < row.size(); ++j) QVERIFY(row.at(i, j));
    for (const char* key : {"next-word", "infilling", "projector"}) {
      for (const LookRow& row : look(key).rows)
        for (std::size_t i = 0; i < row.size(); ++i)
          for (std::size_t j = 0; j < row.size(); ++j) QCOMPARE(row.at(i, j), j <= i);
    }
    for (const LookRow& row : look("spans").rows) {
      const std::size_t read = row.read.size();
      QVERIFY(read > 0);
      for (std::size_t i = 0; i < row.size(); ++i)
        for (std::size_t j = 0; j < row.size(); ++j)
          QCOMPARE(row.at(i, j), i < read ? j < read : j <= i);
    }
    for (const LookRow& row : look("captions").rows) {
      const std::size_t read = row.read.size();
      QCOMPARE(read, std::size_t{1 + 36});
      for (std::size_t i = 0; i < row.size(); ++i)
        for (std::size_t j = 0; j < row.size(); ++j)
          QCOMPARE(row.at(i, j), j < read || (i >= read && j <= i));
    }
    for (const LookRow& row : look("patches").rows) {
      const auto covered =
          std::count_if(row.tokens.begin(), row.tokens.end(),
                        [](const LookToken& token) { return token.noised && token.learned; });
      QCOMPARE(row.size(), std::size_t{1 + 81});
      QCOMPARE(covered, std::ptrdiff_t{81 - 20});
      for (std::size_t i = 0; i < row.size(); ++i)
        for (std::size_t j = 0; j < row.size(); ++j) QCOMPARE(row.at(i, j), !row.tokens[j].noised);
    }
    for (const LookRow& row : look("contrast").rows) {
      const std::size_t read = row.read.size();
      for (std::size_t i = 0; i < row.size(); ++i)
        for (std::size_t j = 0; j < row.size(); ++j)
          QCOMPARE(row.at(i, j), i < read ? j < read : j >= read && j <= i);
    }
  }

  void every_batch_can_be_looked_at_and_told() {
    for (const LabCard& card : lab_cards()) {
      const BatchLook seen = look(card.key);
      for (const LookRow& row : seen.rows) QCOMPARE(row.sees.size(), row.size() * row.size());
      QVERIFY(to_json(seen).contains("rows"));
    }
    // A head of classes stands on an encoder that sees both sides.
    for (const char* key : {"two-texts", "tags", "replaced-words"})
      for (const LookRow& row : look(key).rows)
        for (std::size_t i = 0; i < row.size(); ++i)
          for (std::size_t j = 0; j < row.size(); ++j) QVERIFY(row.at(i, j));
  }

  void noise_and_labels_are_shown() {
    const BatchLook masked = look("masked-words");
    std::size_t covered = 0, learned = 0;
    for (const LookRow& row : masked.rows) {
      for (const LookToken& token : row.tokens) {
        covered += token.piece == "[MASK]";
        learned += token.learned;
        if (token.noised) QVERIFY(token.learned && token.label != token.piece);
        if (token.piece == "[MASK]") QVERIFY(token.noised);
        if (token.special && token.piece != "[MASK]") QVERIFY(!token.learned);
      }
    }
    QVERIFY(covered > 0 && learned >= covered);
    const BatchLook spans = look("spans");
    for (const LookRow& row : spans.rows) {
      const auto marks = std::count_if(row.read.begin(), row.read.end(), [](const LookToken& each) {
        return each.piece.starts_with("<extra_id_");
      });
      QVERIFY(marks > 0);
      for (const LookToken& token : row.tokens) QVERIFY(token.learned);
    }
    for (const LookRow& row : look("picture-classes").rows) {
      QVERIFY(row.tokens.front().learned && row.tokens.front().special);
      QVERIFY(row.text.empty() && fs::exists(row.picture));
      QCOMPARE(row.tokens.front().label.empty(), false);
    }
    const BatchLook pictures = look("contrast");
    QCOMPARE(pictures.pairs, std::size_t(kCardBatch));
    QCOMPARE(pictures.likeness.size(), pictures.pairs * pictures.pairs);
    QVERIFY(fs::exists(pictures.rows.front().picture));
    const BatchLook joined = look("projector");
    const auto patches = std::count_if(joined.rows[0].tokens.begin(), joined.rows[0].tokens.end(),
                                       [](const LookToken& token) { return token.picture; });
    QCOMPARE(patches, std::ptrdiff_t(kSceneCells));
  }

  void a_trained_card_says_what_it_makes_of_its_rows() {
    for (const char* key : {"masked-words", "spans", "next-word"}) {
      const PreparedCard made = prepared(key, 2);
      QVERIFY(trained(*lab_card(key), made).ok());
      for (const LookRow& row : look(key, true).rows)
        for (const LookToken& token : row.tokens) {
          QCOMPARE(token.guess.empty(), !token.learned);
          QVERIFY(!token.learned || (token.sureness > 0 && token.sureness <= 1));
        }
    }
    QVERIFY(trained(*lab_card("patches"), prepared("patches", 2)).ok());
    for (const LookRow& row : look("patches", true).rows) {
      QCOMPARE(row.rebuilt.width, kScenePixels);
      QCOMPARE(row.rebuilt.rgb.size(), row.seen.rgb.size());
      const auto whole = decode_image(row.picture);
      QVERIFY(whole.ok() && row.seen.rgb != row.rebuilt.rgb);
      // What was seen is the picture's own.
      std::size_t same = 0;
      for (std::size_t i = 0; i < whole->rgb.size(); ++i) same += whole->rgb[i] == row.seen.rgb[i];
      QVERIFY(same >= whole->rgb.size() * 20 / 81 && same < whole->rgb.size());
    }
    QVERIFY(trained(*lab_card("projector"), prepared("projector", 2)).ok());
    QVERIFY(!look("projector", true).rows.front().said.empty());
    const auto untrained = look_at_batch(prepared("masked-words", 3), {2, true, {}});
    QVERIFY(!untrained.ok());
  }
};

QTEST_GUILESS_MAIN(TestCards)
#include "test_cards.moc"
