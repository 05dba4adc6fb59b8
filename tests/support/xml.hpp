// XML as a tree, read just well enough to test pictures and pages: elements, attributes, text, the five entities.
// Anything that is not well formed fails the test.
#pragma once

#include <doctest/doctest.h>

#include <cctype>
#include <map>
#include <string>
#include <vector>

struct XmlElement {
    std::string name;
    std::map<std::string, std::string> attributes;
    std::string text;  // of its own, without its children's
    std::vector<XmlElement> children;

    double number(const std::string& attribute) const {
        REQUIRE(attributes.count(attribute) == 1);
        return std::stod(attributes.at(attribute));
    }
    bool has_class(const std::string& css_class) const {
        const auto found = attributes.find("class");
        return found != attributes.end() &&
               (" " + found->second + " ").find(" " + css_class + " ") != std::string::npos;
    }
    /// All elements inside that are named so, in their order.
    std::vector<XmlElement> all(const std::string& wanted) const {
        std::vector<XmlElement> found;
        for (const XmlElement& child : children) {
            if (child.name == wanted) found.push_back(child);
            for (const XmlElement& inner : child.all(wanted)) found.push_back(inner);
        }
        return found;
    }
    std::vector<XmlElement> of_class(const std::string& css_class) const {
        std::vector<XmlElement> found;
        for (const XmlElement& child : children) {
            if (child.has_class(css_class)) found.push_back(child);
            for (const XmlElement& inner : child.of_class(css_class)) found.push_back(inner);
        }
        return found;
    }
};

class XmlParser {
public:
    explicit XmlParser(const std::string& text) : text_(text) {}

    XmlElement document() {
        skip_space();
        XmlElement root = element();
        skip_space();
        CHECK(at_ == text_.size());
        return root;
    }

private:
    XmlElement element() {
        expect("<");
        XmlElement element{name(), {}, "", {}};
        for (skip_space(); text_[at_] != '>' && text_[at_] != '/'; skip_space()) {
            const std::string attribute = name();
            expect("=\"");
            const std::size_t end = text_.find('"', at_);
            REQUIRE(end != std::string::npos);
            CHECK(element.attributes.count(attribute) == 0);
            element.attributes[attribute] = plain(text_.substr(at_, end - at_));
            at_ = end + 1;
        }
        if (text_[at_] == '/') {
            expect("/>");
            return element;
        }
        expect(">");
        while (true) {
            const std::size_t tag = text_.find('<', at_);
            REQUIRE(tag != std::string::npos);
            element.text += plain(text_.substr(at_, tag - at_));
            at_ = tag;
            if (text_.compare(at_, 2, "</") == 0) break;
            element.children.push_back(this->element());
        }
        expect("</" + element.name + ">");
        return element;
    }

    std::string name() {
        const std::size_t begin = at_;
        while (at_ < text_.size() &&
               (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '-' || text_[at_] == ':')) {
            ++at_;
        }
        REQUIRE(at_ > begin);
        return text_.substr(begin, at_ - begin);
    }

    std::string plain(const std::string& escaped) {
        static const std::map<std::string, char> entities = {
            {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&#39;", '\''}};
        std::string result;
        for (std::size_t i = 0; i < escaped.size(); ++i) {
            CHECK(escaped[i] != '<');
            if (escaped[i] != '&') {
                result += escaped[i];
                continue;
            }
            const std::string entity = escaped.substr(i, escaped.find(';', i) - i + 1);
            CAPTURE(entity);
            REQUIRE(entities.count(entity) == 1);
            result += entities.at(entity);
            i += entity.size() - 1;
        }
        return result;
    }

    void expect(const std::string& what) {
        REQUIRE(text_.substr(at_, what.size()) == what);
        at_ += what.size();
    }
    void skip_space() {
        while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
    }

    const std::string& text_;
    std::size_t at_ = 0;
};

inline XmlElement parse_xml(const std::string& text) { return XmlParser(text).document(); }
