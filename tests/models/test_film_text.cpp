// SPDX-License-Identifier: GPL-3.0-or-later
// SmolVLM's words around a film's frames, as SmolVLMProcessor of transformers 5.17 with num2words
// and Python's timedelta writes them.
#include "engine/models/idefics3/idefics3.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

#include "engine/template/chat_template.h"

using namespace luthier;

namespace {

Idefics3Text short_text() { return {"I", "F", "G", 2}; }

/// What stands between "series of " and " frames", and between " from a " and " [H".
std::pair<std::string, std::string> told(const FilmTimes& times) {
  const std::string text = short_text().film(times);
  const auto between = [&](const std::string& begin, const std::string& end) {
    const std::size_t from = text.find(begin) + begin.size();
    return text.substr(from, text.find(end) - from);
  };
  return {between("series of ", " frames"), between(" from a ", " [H")};
}

}  // namespace

class TestFilmText : public QObject {
  Q_OBJECT

 private slots:
  void framesStandBehindTheirTimes() {
    QCOMPARE(short_text().film({0.5, {0.0, 59.99, 60.0, 6000.5}, 6001.9}),
             std::string("You are provided the following series of four frames from a 1:40:01 "
                         "[H:MM:SS] video.\n\nFrame from 00:00:FGIIF\nFrame from 00:59:FGIIF"
                         "\nFrame from 01:00:FGIIF\nFrame from 100:00:FGIIF\n\n"));
  }

  void numbersAndSpansAreThoseOfPython() {
    for (const auto& [frames, words] : std::vector<std::pair<std::size_t, std::string>>{
             {1, "one"},
             {13, "thirteen"},
             {20, "twenty"},
             {21, "twenty-one"},
             {100, "one hundred"},
             {101, "one hundred and one"},
             {123, "one hundred and twenty-three"},
             {999, "nine hundred and ninety-nine"},
             {1000, "one thousand"},
             {1010, "one thousand and ten"},
             {1100, "one thousand, one hundred"},
             {1123, "one thousand, one hundred and twenty-three"},
             {4096, "four thousand and ninety-six"}})
      QCOMPARE(told({1, std::vector<double>(frames, 0.0)}).first, words);
    for (const auto& [seconds, span] :
         std::vector<std::pair<double, std::string>>{{0, "0:00:00"},
                                                     {59.9, "0:00:59"},
                                                     {3600, "1:00:00"},
                                                     {86399, "23:59:59"},
                                                     {86400, "1 day, 0:00:00"},
                                                     {200000, "2 days, 7:33:20"}})
      QCOMPARE(told({1, {0}, seconds}).second, span);
    // Where nobody tells how long it is, its last frame's time stands for that.
    QCOMPARE(told({1, {0, 75.5}}).second, std::string("0:01:15"));
  }

  void theTemplateOfFilmsIsOne() {
    const auto made = ChatTemplate::parse(kSmolvlmFilmTemplate, "films");
    QVERIFY(made.ok());
    const Json part = {{"type", "video"}}, text = {{"type", "text"}, {"text", "Who?"}};
    const auto chat = made->render(
        {{"messages", Json::array({{{"role", "user"}, {"content", Json::array({part, text})}}})},
         {"add_generation_prompt", true}});
    QVERIFY(chat.ok());
    QCOMPARE(chat->text,
             std::string("<|im_start|>User: <video>Who?<end_of_utterance>\nAssistant:"));
  }
};

QTEST_APPLESS_MAIN(TestFilmText)
#include "test_film_text.moc"
