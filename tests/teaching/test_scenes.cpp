// SPDX-License-Identifier: GPL-3.0-or-later
// Scenes and their language: reproducible, split without overlap, answered rightly, and never
// answered the same way by two manners.
#include <QtTest>

#include <set>

#include "engine/teaching/language.h"

using namespace luthier;

class TestScenes : public QObject {
  Q_OBJECT

 private slots:
  void pictures_are_reproducible_and_show_the_colours() {
    Scene scene;
    scene.objects = {{Shape::Square, Colour::Blue, 4}};
    RandomStream one(7, 1), two(7, 1);
    const Image first = draw_scene(scene, one), second = draw_scene(scene, two);
    QCOMPARE(first.width, kScenePixels);
    QVERIFY(first.rgb == second.rgb);
    const std::uint8_t* middle = &first.rgb[3 * (36 * kScenePixels + 36)];
    QVERIFY(middle[2] > 180 && middle[0] < 80);
    QVERIFY(first.rgb[0] > 40);  // the corner is paper
  }

  void splits_share_no_arrangement() {
    int held = 0;
    for (int i = 0; i < 2000; ++i) {
      RandomStream random(11, 1, static_cast<std::uint64_t>(i));
      const Scene scene = random_scene(random);
      QVERIFY(!scene.objects.empty() && scene.objects.size() <= 3);
      for (std::size_t k = 1; k < scene.objects.size(); ++k)
        QVERIFY(scene.objects[k - 1].cell < scene.objects[k].cell);
      QCOMPARE(split_of(scene), split_of(scene));
      held += split_of(scene) == SceneSplit::HeldOut;
      QCOMPARE(split_of(random_scene(random, SceneSplit::Train)), SceneSplit::Train);
    }
    QVERIFY2(held > 50 && held < 160, qPrintable(QString::number(held)));
  }

  void answers() {
    Scene scene;
    scene.objects = {{Shape::Circle, Colour::Orange, 0},
                     {Shape::Star, Colour::Blue, 4},
                     {Shape::Circle, Colour::Red, 8}};
    const auto check = [&](const Question& question, const char* asked, const char* plain,
                           const char* korean, const char* json, const char* pirate) {
      QCOMPARE(ask(question), std::string(asked));
      QCOMPARE(answer(scene, question, Manner::Plain), std::string(plain));
      QCOMPARE(answer(scene, question, Manner::Korean), std::string(korean));
      QCOMPARE(answer(scene, question, Manner::Json), std::string(json));
      QCOMPARE(answer(scene, question, Manner::Pirate), std::string(pirate));
    };
    check({QuestionKind::Describe, 0, Shape::Circle, Colour::Red, false}, "Describe the picture.",
          "an orange circle at the top left, a blue star at the centre, a red circle at the bottom "
          "right",
          "왼쪽 위에 주황색 원, 가운데에 파란색 별, 오른쪽 아래에 빨간색 원",
          R"({"top left": "orange circle", "centre": "blue star", "bottom right": "red circle"})",
          "Arr, an orange circle to the top left and a blue star to the centre and a red circle to "
          "the bottom right!");
    check({QuestionKind::WhatIsAt, 2, Shape::Circle, Colour::Red, false},
          "What is at the top right?", "nothing", "아무것도 없습니다", R"({"thing": null})",
          "Arr, nothing but sea!");
    check({QuestionKind::WhereIs, 0, Shape::Circle, Colour::Red, false}, "Where is the red circle?",
          "at the bottom right", "오른쪽 아래에 있습니다", R"({"place": "bottom right"})",
          "Arr, to the bottom right!");
    check({QuestionKind::WhatColour, 0, Shape::Star, Colour::Blue, false},
          "What colour is the star?", "blue", "파란색입니다", R"({"colour": "blue"})",
          "Arr, 'tis blue!");
    check({QuestionKind::HowMany, 0, Shape::Circle, Colour::Red, false},
          "How many circles are there?", "two", "두 개", R"({"count": 2})", "Arr, I spy two!");
    check({QuestionKind::IsThere, 0, Shape::Star, Colour::Orange, false},
          "Is there an orange star?", "no", "아니요, 없습니다", R"({"found": false})",
          "Nay, matey!");
  }

  /// The tasks' design: the base's plain answer is never the one a task wants.
  void manners_never_agree() {
    for (int i = 0; i < 3000; ++i) {
      RandomStream random(13, 1, static_cast<std::uint64_t>(i));
      const Scene scene = random_scene(random);
      const Question question = random_question(scene, random);
      std::set<std::string> answers;
      for (const Manner manner : {Manner::Plain, Manner::Korean, Manner::Json, Manner::Pirate})
        answers.insert(answer(scene, question, manner));
      QCOMPARE(answers.size(), std::size_t{4});
    }
  }
};

QTEST_APPLESS_MAIN(TestScenes)
#include "test_scenes.moc"
