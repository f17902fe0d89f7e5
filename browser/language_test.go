package browser

import (
	"net/url"
	"testing"

	"github.com/chromedp/cdproto/network"
)

func TestPagesSpeakKorean(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, accept string
		more         url.Values
	}{
		{"as the browser asks, Accept-Language", "ko-KR,ko;q=0.9,en;q=0.8", nil},
		{"as the client asks, OIDC Core §3.1.2.1 ui_locales", "en", url.Values{"ui_locales": {"ko"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPerson(t)
			p.do("language", call(network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": tt.accept}}))
			korean := func(heading string, texts ...string) {
				p.see(heading)
				p.reads(texts...)
				if lang := get[string](p.tab, "document.documentElement.lang"); lang != "ko" {
					t.Errorf("lang is %q, want ko", lang)
				}
			}

			v := p.start(tt.more, "profile")
			korean("로그인", "The Shop 앱으로 계속하려면 로그인해 주세요", "비밀번호")
			p.signIn("wrong")
			korean("로그인", "아이디 또는 비밀번호가 올바르지 않습니다.")
			p.signIn(password)
			korean("The Shop 앱이 내 계정에 접근하도록 허용할까요?", "이름과 프로필 보기", p.name+" 계정으로 로그인했습니다.")
			p.decide("allow")
			p.isBack(v)
			p.visit(logout(tt.more))
			korean("로그아웃할까요?", "로그인 유지")
			p.decide("allow")

			korean("로그아웃했습니다", "이 페이지를 닫아도 됩니다.")
		})
	}
}
