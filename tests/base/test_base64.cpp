// SPDX-License-Identifier: GPL-3.0-or-later
// Base64 there and back in both alphabets; what is none is refused; messages show its start alone.
#include <QtTest>

#include "engine/base/base64.h"
#include "engine/base/result.h"

using namespace luthier;

namespace {

std::string encoded(const std::string& text) {
  return encode_base64(std::as_bytes(std::span(text.data(), text.size())));
}

}  // namespace

class TestBase64 : public QObject {
  Q_OBJECT

 private slots:
  void knownTexts() {  // RFC 4648, chapter 10
    const std::pair<const char*, const char*> cases[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
    for (const auto& [plain, text] : cases) {
      QCOMPARE(encoded(plain), std::string(text));
      QCOMPARE(*decode_base64(text), std::string(plain));
    }
  }

  void everyByteAndBothAlphabets() {
    std::string bytes;
    for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i * 7);
    std::string text = encoded(bytes);
    QCOMPARE(*decode_base64(text), bytes);
    for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
    QCOMPARE(*decode_base64(text), bytes);
    text.insert(40, "\r\n ");
    while (text.ends_with('=')) text.pop_back();
    QCOMPARE(*decode_base64(text), bytes);
  }

  void whatIsNone() {
    for (const char* text : {"Z", "Zg==Zg", "Zm9v.", "\xed\x95\x9c"}) QVERIFY(!decode_base64(text));
    QVERIFY(!is_base64_text("a.png") && !is_base64_text("") && is_base64_text("Zm 9v=="));
  }

  void messagesShowItsStart() {
    const std::string run = encoded(std::string(3000, '\xa5'));
    const Error error = input_error("The role \"" + run + "\" is not known.", "a.jsonl: row 1");
    const std::string sentence = error.sentence();
    QVERIFY(sentence.size() < 120 && sentence.find("4000 characters") != std::string::npos);
    QVERIFY(sentence.ends_with("\" is not known."));
    std::string path;
    for (int i = 0; i < 30; ++i) path += "/some_longer_folder_name";
    QCOMPARE(without_base64(path), path);  // long, and no base64
    QCOMPARE(without_base64("a b"), std::string("a b"));
  }
};

QTEST_APPLESS_MAIN(TestBase64)
#include "test_base64.moc"
