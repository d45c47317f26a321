// SPDX-License-Identifier: GPL-3.0-or-later
// Pictures in base64 are the pictures they were, within the same caps, and are called something
// short.
#include "tests/vision/fixtures.h"

#include "engine/base/base64.h"
#include "engine/vision/inline_picture.h"

using namespace luthier;
using namespace luthier::test;

class TestInlinePicture : public QObject {
  Q_OBJECT

 private slots:
  void everyFormat() {
    for (const std::string name :
         {"rgb.png", "turned6.jpg", "lossy.webp", "animated.gif", "rgb.bmp", "tiff_lzw.tiff"}) {
      const std::vector<std::byte> bytes = picture(name);
      const std::string text = encode_base64(bytes);
      QVERIFY2(looks_like_base64_picture(text), name.c_str());
      const auto plain = decode_image_bytes(bytes, name);
      for (const std::filesystem::path& given :
           {inline_picture(text), std::filesystem::path("data:image/x;base64," + text)}) {
        QVERIFY(is_inline_picture(given));
        const auto image = decode_image(given);
        const auto size = read_image_size(given);
        QVERIFY2(image.ok() && size.ok(), name.c_str());
        QVERIFY(image->rgb == plain->rgb && size->width == plain->width &&
                size->height == plain->height);
      }
    }
  }

  void capsHold() {
    const auto given = inline_picture(encode_base64(picture("420.jpg")));
    QVERIFY(!decode_image(given, {35 * 27 - 1}).ok() &&
            !read_image_size(given, {35 * 27 - 1}).ok());
    QVERIFY(decode_image(given, {35 * 27}).ok());
  }

  void faultsAreShort() {
    const std::string text = encode_base64(std::vector<std::byte>(30'000, std::byte{7}));
    for (const std::filesystem::path& given :
         {inline_picture(text), inline_picture(text + "!"),
          std::filesystem::path("data:image/svg+xml," + text)}) {
      const auto image = decode_image(given);
      QVERIFY(!image.ok());
      QCOMPARE(image.error().exit_status(), 2);
      QVERIFY(image.error().sentence().size() < 200);
      QVERIFY(image.error().where.starts_with("a picture in base64 ("));
      QVERIFY(!read_image_size(given).ok());
    }
    QCOMPARE(picture_name("a/b.png"), std::string("a/b.png"));
  }

  void pathsAreNoBase64() {
    for (const char* path : {"a.png", "/9j/picture.jpg", "images/000000033471.jpg", "QkFE"})
      QVERIFY(!looks_like_base64_picture(path));
    QVERIFY(!looks_like_base64_picture("/workspace/sets/" + std::string(60, 'a')));
  }

  /// What the bytes are decides, and not how long a text is.
  void textsAreNoPictures() {
    std::string words, wrapped = encode_base64(picture("rgb.png"));
    while (words.size() < 5'000) words += "a long answer without any mark ";
    QVERIFY(!looks_like_base64_picture(words));
    QVERIFY(!looks_like_base64_picture(std::string(5'000, 'x')));
    QVERIFY(
        !looks_like_base64_picture(encode_base64(std::vector<std::byte>(30'000, std::byte{7}))));
    QVERIFY(!looks_like_base64_picture(wrapped + ", and what it shows"));
    for (std::size_t at = 7; at < wrapped.size(); at += 8) wrapped.insert(at, "\n");
    QVERIFY(looks_like_base64_picture(wrapped));
    const std::string avif = std::string("\0\0\0\x20", 4) + "ftypavif" + std::string(60, '\1');
    QVERIFY(looks_like_base64_picture(encode_base64(std::as_bytes(std::span(avif)))));
  }
};

QTEST_APPLESS_MAIN(TestInlinePicture)
#include "test_inline_picture.moc"
